import type { ReactNode } from "react";
import { useAccess } from "../api/access";
import { useWorkspaces } from "../api/workspaces";
import { rich, t } from "../text/t";
import { Empty } from "../ui/parts";

interface Props {
  icon: ReactNode;
  /** The title for a workspace that is not empty. */
  title: string;
  action: ReactNode;
  children: ReactNode;
}

/** Shows that a list is empty and, if the whole workspace is empty, that its name may be mistyped. */
export function EmptyWorkspace({ icon, title, action, children }: Props) {
  const { workspace, admin } = useAccess();
  const known = useWorkspaces(admin);
  const found = known?.find((w) => w.id === workspace);
  const nothing = known && !found?.secrets && !found?.endpoints;
  return (
    <Empty icon={icon} title={nothing ? t("workspace.empty") : title} action={action}>
      {nothing && !found && <>{rich("workspace.notInPolicy", { workspace })} </>}
      {children}
    </Empty>
  );
}
