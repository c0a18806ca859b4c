import { Button, Group } from "@mantine/core";
import { useState } from "react";
import { Dialog } from "../ui/Dialog";
import { AlertIcon } from "../ui/icons";
import { Notice } from "../ui/parts";
import { rich, t } from "../text/t";
import { session, type Person } from "./session";

/** Asks the user to sign in again, over the unchanged page. */
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
      title={t("problem.session.title")}
      zIndex={500}
      size="sm"
    >
      <div className="stack">
        <p>{rich("expired.words", { name: person.name, strong: (c) => <b dir="auto">{c}</b> })}</p>
        {opened && !problem && <p role="status">{t("expired.continue")}</p>}
        {problem && (
          <Notice tone="bad" icon={<AlertIcon />}>
            <p role="alert">{problem}</p>
          </Notice>
        )}
        <Group justify="flex-end">
          <Button variant="subtle" color="gray" onClick={() => void session.signOut()}>
            {t("leave.leave")}
          </Button>
          <Button data-autofocus onClick={again}>
            {opened ? t("expired.openAgain") : t("expired.signIn")}
          </Button>
        </Group>
      </div>
    </Dialog>
  );
}
