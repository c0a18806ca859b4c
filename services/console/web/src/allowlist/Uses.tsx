import { Button } from "@mantine/core";
import "./allowlist.css";
import { idOf, parseName } from "../api/names";
import { Link } from "../app/Link";
import { paths } from "../app/router";
import type { EndpointJson } from "../gen/keyward/allowlist/v1/resources_pb";
import { stageWords } from "../tryout/bytes";
import { Copy } from "../ui/Copy";
import { Card, Ellipsis } from "../ui/parts";
import { Time } from "../ui/Time";
import { number, t } from "../text/t";
import { useRefresh } from "./actions";

const count = (n: string | number | undefined): string => number(Number(n ?? 0));

/** The number of uses of each key for an endpoint. */
export function KeyUses({ endpoint }: { endpoint: EndpointJson }) {
  const uses = endpoint.keyUses ?? [];
  const refresh = useRefresh();
  return (
    <Card
      title={t("uses.title")}
      words={t("uses.words")}
      action={
        <Button size="xs" variant="default" onClick={() => refresh(endpoint.name)}>
          {t("ui.refresh")}
        </Button>
      }
    >
      {uses.length === 0 ? (
        <p className="dimmed">{t("uses.none")}</p>
      ) : (
        <table className="table flush uses">
          <thead>
            <tr>
              <th scope="col">{t("uses.secret")}</th>
              <th scope="col">{t("uses.version")}</th>
              <th scope="col">{t("uses.used")}</th>
              <th scope="col">{t("uses.failed")}</th>
              <th scope="col">{t("uses.last")}</th>
            </tr>
          </thead>
          <tbody>
            {uses.map((u) => (
              <tr key={`${u.secret}/${u.version}`}>
                <th scope="row" data-label={t("uses.secret")}>
                  <SecretLink name={u.secret ?? ""} />
                </th>
                <td data-label={t("uses.version")}>{u.version}</td>
                <td data-label={t("uses.used")}>{count(u.used)}</td>
                <td data-label={t("uses.failed")}>
                  {Number(u.failed ?? 0) > 0 ? <b className="danger">{count(u.failed)}</b> : "0"}
                </td>
                <td data-label={t("uses.last")}>
                  <Time value={u.lastUseTime} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}

function SecretLink({ name }: { name: string }) {
  const parsed = parseName(name);
  if (!parsed) return <Ellipsis text={idOf(name)} mono />;
  return (
    <Link to={paths.secret(parsed.workspace, parsed.id)} className="row-link">
      <Ellipsis text={parsed.id} mono />
    </Link>
  );
}

/** The partner's most recent messages that failed to decrypt or verify. */
export function RecentFailures({ endpoint }: { endpoint: EndpointJson }) {
  const failures = endpoint.recentFailures ?? [];
  return (
    <Card title={t("failures.title")} words={t("failures.words")}>
      {failures.length === 0 ? (
        <p className="dimmed">{t("failures.none")}</p>
      ) : (
        <table className="table flush failures">
          <thead>
            <tr>
              <th scope="col">{t("failures.when")}</th>
              <th scope="col">{t("failures.stoppedAt")}</th>
              <th scope="col">{t("failures.body")}</th>
              <th scope="col">{t("failures.keys")}</th>
              <th scope="col">{t("failures.request")}</th>
            </tr>
          </thead>
          <tbody>
            {failures.map((f) => (
              <tr key={`${f.requestId}${f.time}`}>
                <th scope="row" data-label={t("failures.when")}>
                  <Time value={f.time} />
                </th>
                <td data-label={t("failures.stoppedAt")}>
                  {stageWords(f.stage)}
                  {f.cause && <p className="failure-cause">{f.cause}</p>}
                </td>
                <td data-label={t("failures.body")}>
                  <span className="nowrap" data-hint={`SHA-256 ${f.bodySha256}`}>
                    {t("ui.bytes", { count: f.bodyBytes ?? 0 })}
                  </span>
                </td>
                <td data-label={t("failures.keys")}>
                  <Ellipsis text={(f.versions ?? []).map(versionWords).join(", ")} mono />
                </td>
                <td data-label={t("failures.request")}>
                  <span className="with-copy">
                    <Ellipsis text={f.requestId} mono />{" "}
                    <Copy text={f.requestId ?? ""} what={t("ui.what.requestId")} size="xs" />
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}

/** `workspaces/w/secrets/s/versions/2` as "s, 2". */
function versionWords(name: string): string {
  const [, , , secret, , version] = name.split("/");
  return version ? `${secret} v${version}` : name;
}
