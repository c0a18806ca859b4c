import { Button, Loader } from "@mantine/core";
import type { ReactNode } from "react";
import { useTitle } from "../app/title";
import { AlertIcon, Mark } from "../ui/icons";
import { Notice } from "../ui/parts";
import { session } from "./session";

function Alone({ title, children }: { title: string; children: ReactNode }) {
  useTitle(title);
  return (
    <main className="alone">
      <div className="alone-card">
        <Mark size={44} />
        <h1>{title}</h1>
        {children}
      </div>
    </main>
  );
}

const Name = () => (
  <span className="brand">
    <Mark size={26} />
    <span>Keyward</span>
  </span>
);

/** While the page finds out who is there: the frame that index.html has as well. */
export function Starting() {
  return (
    <div className="shell frame">
      <div className="topbar">
        <Name />
      </div>
      <div className="side">
        <div className="side-brand">
          <Name />
        </div>
      </div>
      <main className="starting" aria-busy="true">
        <h1 className="sr-only">Keyward</h1>
        <Loader size="sm" aria-label="Signing in" role="status" />
      </main>
    </div>
  );
}

export function SignIn({ standalone, problem }: { standalone: boolean; problem?: string }) {
  return (
    <Alone title="Sign in to Keyward">
      {problem && (
        <Notice tone="bad" icon={<AlertIcon />}>
          <p role="alert">{problem}</p>
        </Notice>
      )}
      {standalone ? (
        <LocalSteps />
      ) : (
        <p className="dimmed">Secrets that nobody reads back, and the partners they are for.</p>
      )}
      <Button fullWidth size="md" variant={standalone ? "default" : "filled"} onClick={() => void session.signIn()}>
        {standalone ? "Try again" : "Sign in"}
      </Button>
    </Alone>
  );
}

function LocalSteps() {
  return (
    <div className="sign-in-steps">
      <p>This Keyward runs on your machine and signs you in with a link.</p>
      <ol>
        <li>Go to the terminal that Keyward runs in, and press Enter.</li>
        <li>Open one of the links that it prints: as owner, member or admin.</li>
      </ol>
      <p className="dimmed">A link works once, for five minutes.</p>
    </div>
  );
}

export function PopupDone() {
  return (
    <Alone title="You are signed in">
      <p className="dimmed">You can close this window and go on in the other one.</p>
    </Alone>
  );
}

export function Broken({ problem }: { problem: string }) {
  return (
    <Alone title="Keyward is not reachable">
      <Notice tone="bad" icon={<AlertIcon />}>
        <p role="alert">{problem}</p>
      </Notice>
      <Button fullWidth onClick={() => window.location.reload()}>
        Try again
      </Button>
    </Alone>
  );
}
