import type { ReactNode } from "react";
import { useAccess } from "../api/access";
import { useWorkspaces } from "../api/workspaces";
import { Empty } from "../ui/parts";

interface Props {
  icon: ReactNode;
  /** What is said of a workspace that holds something else. */
  title: string;
  action: ReactNode;
  children: ReactNode;
}

/** Says that a list is empty; and, where the workspace holds nothing at all, that it may be mistyped. */
export function EmptyWorkspace({ icon, title, action, children }: Props) {
  const { workspace, admin } = useAccess();
  const known = useWorkspaces(admin);
  const found = known?.find((w) => w.id === workspace);
  const nothing = known && !found?.secrets && !found?.endpoints;
  return (
    <Empty icon={icon} title={nothing ? "This workspace holds nothing yet" : title} action={action}>
      {nothing && !found && (
        <>
          The policy does not name <b>{workspace}</b> either: check the spelling.{" "}
        </>
      )}
      {children}
    </Empty>
  );
}
