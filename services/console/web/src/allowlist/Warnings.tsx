import type { EndpointJson } from "../gen/keyward/allowlist/v1/resources_pb";
import { AlertIcon } from "../ui/icons";
import { Notice } from "../ui/parts";
import { t } from "../text/t";
import { placeWords } from "./ViolationSummary";

/** The warnings about a configuration, if any. */
export function Warnings({ endpoint }: { endpoint: EndpointJson | undefined }) {
  const list = endpoint?.warnings ?? [];
  if (list.length === 0) return null;
  return (
    <Notice
      tone="warn"
      icon={<AlertIcon size={18} />}
      title={endpoint?.state === "STATE_ACTIVE" ? t("warnings.active") : t("warnings.inactive")}
    >
      <ul className="violation-list">
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
