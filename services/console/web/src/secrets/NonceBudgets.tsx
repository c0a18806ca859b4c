import { useQuery } from "@tanstack/react-query";
import { listVersions } from "../api/vault";
import type { SecretVersionJson } from "../gen/keyward/vault/v1/resources_pb";
import { AlertIcon } from "../ui/icons";
import { Card, Tag } from "../ui/parts";
import { FullTime } from "../ui/Time";
import { budgetWords, withBudget } from "./budgets";

/** How much of its nonce budget each version of a key has used. Not on the page until one has. */
export function NonceBudgets({ name }: { name: string }) {
  const list = useQuery({
    queryKey: ["versions", name, "budgets"],
    queryFn: ({ signal }) => listVersions(name, { pageSize: 50 }, signal),
  });
  const versions = withBudget(list.data?.versions ?? []);
  if (versions.length === 0) return null;
  return (
    <Card
      title="Nonce budget"
      words="How many values each version has encrypted under random IVs, and how many it may. All endpoints share the budget."
    >
      <dl className="facts">
        {versions.map((v) => (
          <Budget key={v.version} version={v} />
        ))}
      </dl>
    </Card>
  );
}

function Budget({ version: v }: { version: SecretVersionJson }) {
  const budget = v.nonceBudget ?? {};
  const { count, share, state } = budgetWords(budget);
  return (
    <div className="fact">
      <dt>
        Version {v.version} {v.current && <Tag tone="info">Current</Tag>}
      </dt>
      <dd>
        {count} values ({share}){" "}
        {state && (
          <Tag tone={state.tone} icon={<AlertIcon size={13} />}>
            {state.name}
          </Tag>
        )}
        {state && <p>{state.words}</p>}
        {budget.projectedEndTime && (
          <p className="dimmed">
            At the rate so far, it is used up <FullTime value={budget.projectedEndTime} />.
          </p>
        )}
      </dd>
    </div>
  );
}
