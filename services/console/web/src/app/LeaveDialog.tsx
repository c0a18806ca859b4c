import { Button, Group } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { Dialog } from "../ui/Dialog";
import { abandon, ask, asked, subscribeAsked } from "./unsaved";

/** Asks, once for the whole page. */
export function LeaveDialog() {
  const leave = useSyncExternalStore(subscribeAsked, asked);
  if (!leave) return null;
  const go = () => {
    ask(undefined);
    abandon();
    leave();
  };
  return (
    <Dialog onClose={() => ask(undefined)} title="Leave without saving?" size="sm" zIndex={400}>
      <div className="stack">
        <p>What you changed here is lost.</p>
        <Group justify="flex-end">
          <Button variant="subtle" color="gray" data-autofocus onClick={() => ask(undefined)}>
            Stay
          </Button>
          <Button color="red" onClick={go}>
            Leave
          </Button>
        </Group>
      </div>
    </Dialog>
  );
}
