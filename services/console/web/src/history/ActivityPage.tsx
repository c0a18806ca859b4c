import { Tabs } from "@mantine/core";
import { useAccess } from "../api/access";
import { listEndpointHistory } from "../api/allowlist";
import { endpointName, secretName } from "../api/names";
import { listSecretHistory } from "../api/vault";
import { useParams } from "../app/router";
import { History } from "./History";

/** All changes of a workspace, those of what was deleted since included. */
export function ActivityPage() {
  const { workspace } = useAccess();
  const [params, change] = useParams();
  const of = params.get("of") === "endpoints" ? "endpoints" : "secrets";
  return (
    <div className="page">
      <header className="page-head">
        <div>
          <h1>Activity</h1>
          <p className="dimmed">
            Every change in this workspace. Entries are never altered, and they remain after a secret or endpoint is
            deleted.
          </p>
        </div>
      </header>
      <Tabs
        value={of}
        onChange={(t) => change({ of: t === "endpoints" ? "endpoints" : undefined })}
        keepMounted={false}
      >
        <Tabs.List>
          <Tabs.Tab value="secrets">Secrets</Tabs.Tab>
          <Tabs.Tab value="endpoints">Allowlist</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="secrets">
          <History
            name={secretName(workspace, "-")}
            file={`${workspace}-secrets-changes`}
            list={listSecretHistory}
            many
          />
        </Tabs.Panel>
        <Tabs.Panel value="endpoints">
          <History
            name={endpointName(workspace, "-")}
            file={`${workspace}-endpoints-changes`}
            list={listEndpointHistory}
            many
          />
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}
