import type { EndpointJson } from "../gen/keyward/allowlist/v1/resources_pb";
import { AlertIcon } from "../ui/icons";
import { Notice } from "../ui/parts";
import { placeWords } from "./FindingSummary";

/** What to know of a configuration before it is in use, if there is anything. */
export function Warnings({ endpoint }: { endpoint: EndpointJson | undefined }) {
  const list = endpoint?.warnings ?? [];
  if (list.length === 0) return null;
  return (
    <Notice
      tone="warn"
      icon={<AlertIcon size={18} />}
      title={
        endpoint?.state === "STATE_ACTIVE" ? "Know this about the endpoint" : "Know this before the endpoint is in use"
      }
    >
      <ul className="finding-list">
        {list.map((w) => (
          <li key={`${w.field}${w.description}`}>
            {w.field && <b>{placeWords(w.field)}: </b>}
            {w.description}
          </li>
        ))}
      </ul>
    </Notice>
  );
}
