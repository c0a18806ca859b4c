import type { EndpointJson } from "../gen/keyward/allowlist/v1/resources_pb";
import { Chains } from "../secrets/Chains";
import { SecretRefView } from "../shape/View";
import { Card } from "../ui/parts";

/** What an endpoint uses its keys for. */
export function KeyPurposes({ endpoint }: { endpoint: EndpointJson }) {
  const purposes = endpoint.keyPurposes ?? [];
  if (purposes.length === 0) return null;
  return (
    <Card
      title="What keys are used for"
      words="From the stored bytes to what is sent. A key serves one purpose, the same for all endpoints that use it."
    >
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
