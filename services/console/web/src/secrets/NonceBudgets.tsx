import { useQuery } from "@tanstack/react-query";
import { listVersions } from "../api/vault";
import type { SecretVersionJson } from "../gen/keyward/vault/v1/resources_pb";
import { AlertIcon } from "../ui/icons";
import { Card, Tag } from "../ui/parts";
import { FullTime } from "../ui/Time";
import { rich, t } from "../text/t";
import { budgetWords, withBudget } from "./budgets";

/** The used nonce budget of each version of a key. Hidden until a version has used some. */
export function NonceBudgets({ name }: { name: string }) {
  const list = useQuery({
    queryKey: ["versions", name, "budgets"],
    queryFn: ({ signal }) => listVersions(name, { pageSize: 50 }, signal),
  });
  const versions = withBudget(list.data?.versions ?? []);
  if (versions.length === 0) return null;
  return (
    <Card title={t("budget.title")} words={t("budget.words")}>
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
        {t("ui.version", { version: v.version })} {v.current && <Tag tone="info">{t("versions.current")}</Tag>}
      </dt>
      <dd>
        {t("budget.taken", { count, share })}{" "}
        {state && (
          <Tag tone={state.tone} icon={<AlertIcon size={13} />}>
            {state.name}
          </Tag>
        )}
        {state && <p>{state.words}</p>}
        {budget.projectedEndTime && (
          <p className="dimmed">{rich("budget.pace", { time: <FullTime value={budget.projectedEndTime} /> })}</p>
        )}
      </dd>
    </div>
  );
}
