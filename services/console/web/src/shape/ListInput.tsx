import { ActionIcon, Button } from "@mantine/core";
import { ArrowDownIcon, ArrowUpIcon, PlusIcon, TrashIcon } from "../ui/icons";
import type { ItemsProps } from "./input";
import { t } from "../text/t";
import { beginOne } from "./value";

const one = (title: string): string => title.replace(/ies$/, "y").replace(/s$/, "");

/** A list: its elements in order, and a button to add one. */
export function ListInput({ field, title, value, onChange, path, Item }: ItemsProps) {
  const items = (value ?? []) as unknown[];
  const full = field.maxItems !== undefined && items.length >= field.maxItems;
  const fixed = items.length <= (field.minItems ?? 0);
  const put = (i: number, item: unknown) =>
    onChange(items.map((old, j) => (i === j ? (item ?? beginOne(field)) : old)));
  const remove = (i: number) => onChange(items.length === 1 ? undefined : items.filter((_, j) => j !== i));
  const raise = (i: number) => onChange(items.map((old, j) => (j === i - 1 ? items[i] : j === i ? items[i - 1] : old)));
  const name = one(title);
  return (
    <div className="list">
      {items.map((item, i) => (
        <div key={i} className="list-item" data-path={field.message ? `${path}[${i}]` : undefined}>
          <div className="list-body">
            <Item
              field={field}
              title={items.length > 1 ? `${name} ${i + 1}` : name}
              value={item}
              onChange={(v) => put(i, v)}
              path={`${path}[${i}]`}
              inBlock
            />
          </div>
          {(items.length > 1 || !fixed) && (
            <div className="list-tools">
              {items.length > 1 && i > 0 && (
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  aria-label={t("shape.up", { name, i: i + 1 })}
                  data-hint={t("shape.moveUp")}
                  onClick={() => raise(i)}
                >
                  <ArrowUpIcon size={15} />
                </ActionIcon>
              )}
              {items.length > 1 && i === 0 && (
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  aria-label={t("shape.down", { name })}
                  data-hint={t("shape.moveDown")}
                  onClick={() => raise(1)}
                >
                  <ArrowDownIcon size={15} />
                </ActionIcon>
              )}
              {!fixed && (
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  aria-label={t("shape.removeItem", { name, i: i + 1 })}
                  data-hint={t("ui.remove")}
                  onClick={() => remove(i)}
                >
                  <TrashIcon size={15} />
                </ActionIcon>
              )}
            </div>
          )}
        </div>
      ))}
      {!full && (
        <Button
          size="xs"
          variant="default"
          className="list-add"
          leftSection={<PlusIcon size={14} />}
          onClick={() => onChange([...items, beginOne(field)])}
        >
          {t("shape.add", { name: name.toLowerCase() })}
        </Button>
      )}
    </div>
  );
}
