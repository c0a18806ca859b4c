import { Button, Group } from "@mantine/core";
import { useState } from "react";
import { Dialog } from "../ui/Dialog";
import { AlertIcon } from "../ui/icons";
import { Notice } from "../ui/parts";
import { session, type Person } from "./session";

/** Asks to sign in again, over a page that stays as it was. */
export function Expired({ person, problem }: { person: Person; problem?: string }) {
  const [opened, setOpened] = useState(false);
  const again = () => {
    setOpened(true);
    void session.signInAgain();
  };
  return (
    <Dialog
      onClose={() => undefined}
      withCloseButton={false}
      closeOnClickOutside={false}
      title="Your session has ended"
      zIndex={500}
      size="sm"
    >
      <div className="stack">
        <p>
          Sign in again as <b dir="auto">{person.name}</b> to go on. What you typed is still here, except secret values:
          those were cleared.
        </p>
        {opened && !problem && <p role="status">Go on in the window that was opened.</p>}
        {problem && (
          <Notice tone="bad" icon={<AlertIcon />}>
            <p role="alert">{problem}</p>
          </Notice>
        )}
        <Group justify="flex-end">
          <Button variant="subtle" color="gray" onClick={() => void session.signOut()}>
            Leave
          </Button>
          <Button data-autofocus onClick={again}>
            {opened ? "Open the window again" : "Sign in again"}
          </Button>
        </Group>
      </div>
    </Dialog>
  );
}
