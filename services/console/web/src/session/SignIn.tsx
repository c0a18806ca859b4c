import { Button, Loader } from "@mantine/core";
import type { ReactNode } from "react";
import { useTitle } from "../app/title";
import { AlertIcon, Mark } from "../ui/icons";
import { Notice } from "../ui/parts";
import { t } from "../text/t";
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
    <span>{t("app.brand")}</span>
  </span>
);

/** Shown while the page checks the session; the same frame as in index.html. */
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
        <h1 className="sr-only">{t("app.brand")}</h1>
        <Loader size="sm" aria-label={t("signIn.loading")} role="status" />
      </main>
    </div>
  );
}

export function SignIn({ standalone, problem }: { standalone: boolean; problem?: string }) {
  return (
    <Alone title={t("signIn.title")}>
      {problem && (
        <Notice tone="bad" icon={<AlertIcon />}>
          <p role="alert">{problem}</p>
        </Notice>
      )}
      {standalone ? <LocalSteps /> : <p className="dimmed">{t("signIn.words")}</p>}
      <Button fullWidth size="md" variant={standalone ? "default" : "filled"} onClick={() => void session.signIn()}>
        {standalone ? t("ui.tryAgain") : t("signIn.submit")}
      </Button>
    </Alone>
  );
}

function LocalSteps() {
  return (
    <div className="sign-in-steps">
      <p>{t("signIn.local")}</p>
      <ol>
        <li>{t("signIn.local1")}</li>
        <li>{t("signIn.local2")}</li>
      </ol>
      <p className="dimmed">{t("signIn.local3")}</p>
    </div>
  );
}

export function PopupDone() {
  return (
    <Alone title={t("signIn.doneTitle")}>
      <p className="dimmed">{t("signIn.doneWords")}</p>
    </Alone>
  );
}

export function Broken({ problem }: { problem: string }) {
  return (
    <Alone title={t("signIn.unreachable")}>
      <Notice tone="bad" icon={<AlertIcon />}>
        <p role="alert">{problem}</p>
      </Notice>
      <Button fullWidth onClick={() => window.location.reload()}>
        {t("ui.tryAgain")}
      </Button>
    </Alone>
  );
}
