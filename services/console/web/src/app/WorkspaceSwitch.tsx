import { Combobox, TextInput, useCombobox } from "@mantine/core";
import { useState } from "react";
import { everywhere, workspacesOf } from "../api/access";
import { idRule } from "../api/names";
import { countLimit, useWorkspaces, type Workspace } from "../api/workspaces";
import type { CallerJson } from "../gen/keyward/access/v1/service_pb";
import { BoxIcon, ChevronDownIcon } from "../ui/icons";
import { byName } from "../ui/order";
import { plural } from "../ui/parts";
import { navigate, paths } from "./router";

/** How much a workspace holds. Of one that is not listed, those know who may see all. */
function Holdings({ name, held, free }: { name: string; held: Workspace[] | undefined; free: boolean }) {
  const workspace = held?.find((w) => w.id === name);
  if (!held || !(workspace || free)) return null;
  const words = [counted(workspace?.secrets, "secret"), counted(workspace?.endpoints, "endpoint")].filter(Boolean);
  return <small>{words.join(", ") || "Nothing yet"}</small>;
}

function counted(count: number | undefined, what: string): string {
  if (!count) return "";
  return count >= countLimit ? `${countLimit.toLocaleString("en")} ${what}s or more` : plural(count, what);
}

/** Chooses the workspace. Who has a role everywhere may type any name. */
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
            <small>Workspace</small>
            <span className="ellipsis">{workspace ?? "Choose…"}</span>
          </span>
          <ChevronDownIcon size={14} />
        </button>
      </Combobox.Target>
      <Combobox.Dropdown role="dialog" aria-label="Choose a workspace">
        {combobox.dropdownOpened && (free || known.length > 6) && (
          <Combobox.Search
            component={TextInput}
            value={typed}
            onChange={(e) => setTyped(e.currentTarget.value)}
            aria-label="Workspace name"
            placeholder={free ? "Type any workspace…" : "Find…"}
            maxLength={128}
          />
        )}
        <Combobox.Options aria-label="Workspaces">
          {shown.map((name) => (
            <Combobox.Option key={name} value={name} active={name === workspace}>
              <span className="ellipsis">{name}</span>
              <Holdings name={name} held={held} free={free} />
            </Combobox.Option>
          ))}
          {other && <Combobox.Option value={other}>Open “{other}”</Combobox.Option>}
          {shown.length === 0 && !other && (
            <Combobox.Empty>{typed ? "Not a name of a workspace" : "None"}</Combobox.Empty>
          )}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  );
}
