import { ArrowDownIcon, ArrowUpIcon, SortIcon } from "./icons";

interface Props {
  name: string;
  by: "name" | "update_time";
  order: string;
  onOrder: (order: string) => void;
  className?: string;
}

/** The header of a column that the server can sort by. */
export function SortHeader({ name, by, order, onOrder, className }: Props) {
  const [field, direction] = order.split(" ");
  const active = field === by;
  const down = active && direction === "desc";
  // A newly chosen column starts with the likeliest order: A first, or newest first.
  const next = active ? (down ? by : `${by} desc`) : by === "name" ? by : `${by} desc`;
  return (
    <th scope="col" className={className} aria-sort={active ? (down ? "descending" : "ascending") : "none"}>
      <button type="button" className="sort" data-active={active || undefined} onClick={() => onOrder(next)}>
        {name}
        {active ? down ? <ArrowDownIcon size={13} /> : <ArrowUpIcon size={13} /> : <SortIcon size={13} />}
      </button>
    </th>
  );
}
