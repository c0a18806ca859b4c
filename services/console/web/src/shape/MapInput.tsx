import { ActionIcon, Button, TextInput } from "@mantine/core";
import { useState } from "react";
import { PlusIcon, TrashIcon } from "../ui/icons";
import { useField } from "./violations";
import type { ItemsProps } from "./input";
import { t } from "../text/t";
import { beginOne, firstKey, type Json } from "./value";

/** A map: each entry with its key, and a button to add one. */
export function MapInput(props: ItemsProps) {
  const { field, title, value, onChange, path, Item } = props;
  const map = (value ?? {}) as Json;
  const entries = Object.entries(map);
  const full = field.maxItems !== undefined && entries.length >= field.maxItems;
  const set = (pairs: [string, unknown][]) => onChange(pairs.length ? Object.fromEntries(pairs) : undefined);
  const name = title.replace(/s$/, "");
  return (
    <div className="list">
      {entries.map(([key, item], i) => (
        <div key={i} className="list-item">
          <div className={field.message ? "list-body" : "list-body pair"}>
            <KeyInput
              name={name}
              value={key}
              taken={(k) => k !== key && k in map}
              pattern={field.keyPattern}
              path={field.message ? `${path}["${key}"]` : undefined}
              onChange={(next) => set(entries.map(([k, v], j) => [j === i ? next : k, v]))}
            />
            <Item
              field={field}
              title={`${name} ${key}`}
              value={item}
              onChange={(v) => set(entries.map(([k, old], j) => [k, j === i ? (v ?? beginOne(field)) : old]))}
              path={`${path}["${key}"]`}
              inBlock
            />
          </div>
          <div className="list-tools">
            {entries.length > (field.minItems ?? 0) && (
              <ActionIcon
                variant="subtle"
                color="gray"
                aria-label={t("shape.removeEntry", { name, key })}
                data-hint={t("ui.remove")}
                onClick={() => set(entries.filter((_, j) => j !== i))}
              >
                <TrashIcon size={15} />
              </ActionIcon>
            )}
          </div>
        </div>
      ))}
      {!full && (
        <Button
          size="xs"
          variant="default"
          className="list-add"
          leftSection={<PlusIcon size={14} />}
          onClick={() => set([...entries, [firstKey(field, map), beginOne(field)]])}
        >
          {t("shape.add", { name: name.toLowerCase() })}
        </Button>
      )}
    </div>
  );
}

interface KeyProps {
  name: string;
  value: string;
  taken: (key: string) => boolean;
  pattern?: string;
  /** The path for the violations of the entry; if undefined, its value shows them. */
  path: string | undefined;
  onChange: (key: string) => void;
}

/** The key of an entry. It is applied once it is valid and free. */
function KeyInput({ name, value, taken, pattern, path, onChange }: KeyProps) {
  const [typed, setTyped] = useState<string>();
  const { error: violation, ...own } = useField(path ?? "");
  const shown = typed ?? value;
  const wrong = taken(shown)
    ? t("shape.nameTaken")
    : pattern && shown && !new RegExp(pattern).test(shown)
      ? t("shape.nameInvalid")
      : undefined;
  return (
    <TextInput
      {...(path ? own : {})}
      aria-label={t("shape.nameOf", { name: name.toLowerCase() })}
      placeholder={t("request.name")}
      classNames={{ input: "mono" }}
      spellCheck={false}
      value={shown}
      error={wrong ?? violation}
      onChange={(e) => {
        const next = e.currentTarget.value;
        setTyped(next);
        if (!taken(next)) onChange(next);
      }}
      onBlur={() => setTyped(undefined)}
    />
  );
}
