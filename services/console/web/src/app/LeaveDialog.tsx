import { Button, Group } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { Dialog } from "../ui/Dialog";
import { t } from "../text/t";
import { abandon, ask, asked, subscribeAsked } from "./unsaved";

/** The dialog that asks before unsaved changes are lost. The page has one. */
export function LeaveDialog() {
  const leave = useSyncExternalStore(subscribeAsked, asked);
  if (!leave) return null;
  const go = () => {
    ask(undefined);
    abandon();
    leave();
  };
  return (
    <Dialog onClose={() => ask(undefined)} title={t("leave.title")} size="sm" zIndex={400}>
      <div className="stack">
        <p>{t("leave.words")}</p>
        <Group justify="flex-end">
          <Button variant="subtle" color="gray" data-autofocus onClick={() => ask(undefined)}>
            {t("leave.stay")}
          </Button>
          <Button color="red" onClick={go}>
            {t("leave.leave")}
          </Button>
        </Group>
      </div>
    </Dialog>
  );
}
