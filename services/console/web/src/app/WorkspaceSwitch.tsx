import { Combobox, TextInput, useCombobox } from "@mantine/core";
import { useState } from "react";
import { everywhere, workspacesOf } from "../api/access";
import { idRule } from "../api/names";
import { countLimit, useWorkspaces, type Workspace } from "../api/workspaces";
import type { CallerJson } from "../gen/keyward/access/v1/service_pb";
import { BoxIcon, ChevronDownIcon } from "../ui/icons";
import { byName } from "../ui/order";
import { t } from "../text/t";
import { navigate, paths } from "./router";

/** The contents of a workspace. Only callers with access to everything know about unlisted ones. */
function Holdings({ name, held, free }: { name: string; held: Workspace[] | undefined; free: boolean }) {
  const workspace = held?.find((w) => w.id === name);
  if (!held || !(workspace || free)) return null;
  const words = [counted(workspace?.secrets, "secrets"), counted(workspace?.endpoints, "endpoints")].filter(Boolean);
  return <small>{words.join(", ") || t("workspace.holdsNothing")}</small>;
}

function counted(count: number | undefined, what: "secrets" | "endpoints"): string {
  if (!count) return "";
  return count >= countLimit ? t(`workspace.${what}More`, { count: countLimit }) : t(`workspace.${what}`, { count });
}

/** Selects the workspace. Callers with a role in every workspace may enter any name. */
export function WorkspaceSwitch({ caller, workspace }: { caller: CallerJson; workspace?: string }) {
  const [typed, setTyped] = useState("");
  const combobox = useCombobox({
    onDropdownClose: () => setTyped(""),
    onDropdownOpen: () => combobox.focusSearchInput(),
  });
  const free = everywhere(caller);
  const held = useWorkspaces(combobox.dropdownOpened);
  const known = [
    ...new Set([...workspacesOf(caller), ...(held ?? []).map((w) => w.id), ...(workspace ? [workspace] : [])]),
  ].sort(byName);
  const shown = known.filter((name) => name.toLowerCase().includes(typed.toLowerCase()));
  const other = free && idRule.test(typed) && !known.includes(typed) ? typed : undefined;
  const choose = (name: string) => {
    combobox.closeDropdown();
    navigate(paths.home(name));
  };
  return (
    <Combobox store={combobox} onOptionSubmit={choose} width={240} position="bottom-start">
      <Combobox.Target targetType="button">
        <button type="button" className="workspace" onClick={() => combobox.toggleDropdown()}>
          <BoxIcon size={16} />
          <span className="user-words">
            <small>{t("workspace.label")}</small>
            <span className="ellipsis">{workspace ?? t("ui.choose")}</span>
          </span>
          <ChevronDownIcon size={14} />
        </button>
      </Combobox.Target>
      <Combobox.Dropdown role="dialog" aria-label={t("workspace.choose")}>
        {combobox.dropdownOpened && (free || known.length > 6) && (
          <Combobox.Search
            component={TextInput}
            value={typed}
            onChange={(e) => setTyped(e.currentTarget.value)}
            aria-label={t("workspace.name")}
            placeholder={free ? t("workspace.typeAny") : t("workspace.find")}
            maxLength={128}
          />
        )}
        <Combobox.Options aria-label={t("workspace.list")}>
          {shown.map((name) => (
            <Combobox.Option key={name} value={name} active={name === workspace}>
              <span className="ellipsis">{name}</span>
              <Holdings name={name} held={held} free={free} />
            </Combobox.Option>
          ))}
          {other && <Combobox.Option value={other}>{t("workspace.openOther", { other })}</Combobox.Option>}
          {shown.length === 0 && !other && (
            <Combobox.Empty>{typed ? t("workspace.invalid") : t("ui.none")}</Combobox.Empty>
          )}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  );
}
