import type { EndpointJson } from "../gen/keyward/allowlist/v1/resources_pb";
import { Chains } from "../secrets/Chains";
import { SecretRefView } from "../shape/View";
import { t } from "../text/t";
import { Card } from "../ui/parts";

/** The purposes that an endpoint uses its keys for. */
export function KeyPurposes({ endpoint }: { endpoint: EndpointJson }) {
  const purposes = endpoint.keyPurposes ?? [];
  if (purposes.length === 0) return null;
  return (
    <Card title={t("keyPurposes.title")} words={t("keyPurposes.words")}>
      <dl className="view">
        {purposes.map((p) => (
          <div key={p.secret}>
            <dt>
              <SecretRefView value={{ name: p.secret }} />
            </dt>
            <dd>
              <Chains chains={p.chains} />
            </dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}
