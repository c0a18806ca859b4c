import { Button } from "@mantine/core";
import "./allowlist.css";
import { idOf, parseName } from "../api/names";
import { Link } from "../app/Link";
import { paths } from "../app/router";
import type { EndpointJson } from "../gen/keyward/allowlist/v1/resources_pb";
import { stageWords } from "../tryout/bytes";
import { Copy } from "../ui/Copy";
import { Card, Ellipsis, plural } from "../ui/parts";
import { Time } from "../ui/Time";
import { useRefresh } from "./actions";

const count = (n: string | number | undefined): string => Number(n ?? 0).toLocaleString("en");

/** How often each key was used for an endpoint. */
export function KeyUses({ endpoint }: { endpoint: EndpointJson }) {
  const uses = endpoint.keyUses ?? [];
  const refresh = useRefresh();
  return (
    <Card
      title="Key uses"
      words="How often each key was used here, since the counting began."
      action={
        <Button size="xs" variant="default" onClick={() => refresh(endpoint.name)}>
          Refresh
        </Button>
      }
    >
      {uses.length === 0 ? (
        <p className="dimmed">No key was used yet.</p>
      ) : (
        <table className="table flush uses">
          <thead>
            <tr>
              <th scope="col">Secret</th>
              <th scope="col">Version</th>
              <th scope="col">Used</th>
              <th scope="col">Failed</th>
              <th scope="col">Last used</th>
            </tr>
          </thead>
          <tbody>
            {uses.map((u) => (
              <tr key={`${u.secret}/${u.version}`}>
                <th scope="row" data-label="Secret">
                  <SecretLink name={u.secret ?? ""} />
                </th>
                <td data-label="Version">{u.version}</td>
                <td data-label="Used">{count(u.used)}</td>
                <td data-label="Failed">
                  {Number(u.failed ?? 0) > 0 ? <b className="danger">{count(u.failed)}</b> : "0"}
                </td>
                <td data-label="Last used">
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

/** The last messages of the partner that did not open or verify. */
export function RecentFailures({ endpoint }: { endpoint: EndpointJson }) {
  const failures = endpoint.recentFailures ?? [];
  return (
    <Card
      title="Recent failures"
      words="The last messages that did not open or verify, or were not made since a key cannot be used. The sender learns nothing of the cause."
    >
      {failures.length === 0 ? (
        <p className="dimmed">None since the allowlist was started.</p>
      ) : (
        <table className="table flush failures">
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">Stopped at</th>
              <th scope="col">Body</th>
              <th scope="col">Keys tried</th>
              <th scope="col">Request</th>
            </tr>
          </thead>
          <tbody>
            {failures.map((f) => (
              <tr key={`${f.requestId}${f.time}`}>
                <th scope="row" data-label="When">
                  <Time value={f.time} />
                </th>
                <td data-label="Stopped at">
                  {stageWords(f.stage)}
                  {f.cause && <p className="failure-cause">{f.cause}</p>}
                </td>
                <td data-label="Body">
                  <span className="nowrap" data-hint={`SHA-256 ${f.bodySha256}`}>
                    {plural(f.bodyBytes ?? 0, "byte")}
                  </span>
                </td>
                <td data-label="Keys tried">
                  <Ellipsis text={(f.versions ?? []).map(versionWords).join(", ")} mono />
                </td>
                <td data-label="Request">
                  <span className="with-copy">
                    <Ellipsis text={f.requestId} mono /> <Copy text={f.requestId ?? ""} what="request id" size="xs" />
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
