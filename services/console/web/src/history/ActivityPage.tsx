import { Tabs } from "@mantine/core";
import { useAccess } from "../api/access";
import { listEndpointHistory } from "../api/allowlist";
import { endpointName, secretName } from "../api/names";
import { listSecretHistory } from "../api/vault";
import { useParams } from "../app/router";
import { t } from "../text/t";
import { History } from "./History";

/** All changes of a workspace, including those of deleted resources. */
export function ActivityPage() {
  const { workspace } = useAccess();
  const [params, change] = useParams();
  const of = params.get("of") === "endpoints" ? "endpoints" : "secrets";
  return (
    <div className="page">
      <header className="page-head">
        <div>
          <h1>{t("activity.title")}</h1>
          <p className="dimmed">{t("activity.words")}</p>
        </div>
      </header>
      <Tabs
        value={of}
        onChange={(t) => change({ of: t === "endpoints" ? "endpoints" : undefined })}
        keepMounted={false}
      >
        <Tabs.List>
          <Tabs.Tab value="secrets">{t("secrets.title")}</Tabs.Tab>
          <Tabs.Tab value="endpoints">{t("endpoints.title")}</Tabs.Tab>
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
