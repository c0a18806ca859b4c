import { Button, Menu, Skeleton, Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useAccess } from "../api/access";
import { secretName } from "../api/names";
import { problemOf } from "../api/problem";
import { getSecret, listSecretHistory } from "../api/vault";
import { Link } from "../app/Link";
import { navigate, paths } from "../app/router";
import type { SecretJson } from "../gen/keyward/vault/v1/resources_pb";
import { History } from "../history/History";
import { Copy, CopyBlock } from "../ui/Copy";
import { AlertIcon, ChevronRightIcon, KeyIcon, PencilIcon, RefreshIcon, TrashIcon } from "../ui/icons";
import { Card, Empty, Fact, Labels, Notice, plural, Tag } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { RowMenu } from "../ui/RowMenu";
import { TabList } from "../ui/TabList";
import { FullTime } from "../ui/Time";
import { DeleteSecret } from "./DeleteSecret";
import { EditSecret } from "./EditSecret";
import { NonceBudgets } from "./NonceBudgets";
import { PurposeCard } from "./Purpose";
import { Referrers } from "./Referrers";
import { everyWords } from "./rotation";
import { SecretTags } from "./tags";
import { exposedWarning, usages, UsageTag, type KnownUsage } from "./usage";
import { Versions } from "./Versions";

const tabs = [
  ["overview", "Overview"],
  ["versions", "Versions"],
  ["used-by", "Used by"],
  ["history", "Change logs"],
] as const;

/** One secret: all there is to know of it but the value. */
export function SecretPage({ id, tab }: { id: string; tab: string }) {
  const { workspace } = useAccess();
  const name = secretName(workspace, id);
  const [dialog, setDialog] = useState<"edit" | "rotate" | "delete">();
  const secret = useQuery({ queryKey: ["secret", name], queryFn: ({ signal }) => getSecret(name, signal) });
  const gone = secret.error && problemOf(secret.error).reason === "SECRET_NOT_FOUND";
  const shown = tabs.some(([value]) => value === tab) ? tab : "overview";

  return (
    <div className="page">
      <nav className="crumbs" aria-label="Breadcrumb">
        <Link to={paths.secrets(workspace)}>Secrets</Link>
        <ChevronRightIcon size={14} />
      </nav>
      <header className="page-head">
        <div className="page-title">
          <h1 className="mono wrap-anywhere">
            {id} <Copy text={name} what="resource name" />
          </h1>
          {secret.data && (
            <div className="tags">
              <UsageTag usage={secret.data.usage} />
              <Tag>Version {secret.data.currentVersion}</Tag>
              <SecretTags secret={secret.data} />
            </div>
          )}
        </div>
        {secret.data && (
          <div className="page-actions">
            <Button variant="default" leftSection={<PencilIcon size={16} />} onClick={() => setDialog("edit")}>
              Edit
            </Button>
            <Button variant="default" leftSection={<RefreshIcon size={16} />} onClick={() => setDialog("rotate")}>
              New value
            </Button>
            <RowMenu label="More actions">
              <Menu.Item leftSection={<TrashIcon size={16} />} className="danger" onClick={() => setDialog("delete")}>
                Delete
              </Menu.Item>
            </RowMenu>
          </div>
        )}
      </header>
      {gone ? (
        <Gone id={id} tab={tab} />
      ) : (
        <>
          <ProblemPanel error={secret.error} onRetry={() => void secret.refetch()} />
          <Tabs
            value={shown}
            onChange={(t) =>
              t && navigate(paths.secret(workspace, id, t === "overview" ? undefined : t), { replace: true })
            }
            keepMounted={false}
          >
            <TabList>
              {tabs.map(([value, words]) => (
                <Tabs.Tab key={value} value={value}>
                  {words}
                  {value === "used-by" && secret.data ? (
                    <span className="count">{secret.data.referenceCount ?? 0}</span>
                  ) : null}
                </Tabs.Tab>
              ))}
            </TabList>
            <Tabs.Panel value="overview">
              {secret.data ? <Overview secret={secret.data} /> : !secret.error && <Skeleton height={320} />}
            </Tabs.Panel>
            <Tabs.Panel value="versions">
              {secret.data ? <Versions secret={secret.data} /> : !secret.error && <Skeleton height={220} />}
            </Tabs.Panel>
            <Tabs.Panel value="used-by">
              <Card title="Endpoints" words="Endpoints that use this secret. A secret in use cannot be deleted.">
                <Referrers name={name} />
              </Card>
            </Tabs.Panel>
            <Tabs.Panel value="history">
              <History name={name} file={`${id}-changes`} list={listSecretHistory} />
            </Tabs.Panel>
          </Tabs>
        </>
      )}
      {dialog === "delete" && secret.data && <DeleteSecret secret={secret.data} onClose={() => setDialog(undefined)} />}
      {(dialog === "edit" || dialog === "rotate") && (
        <EditSecret name={name} rotate={dialog === "rotate"} onClose={() => setDialog(undefined)} />
      )}
    </div>
  );
}

/** Whether a secret encrypts, under whatever name: what encrypts has a nonce budget. */
const isKey = ({ usage }: SecretJson): boolean => usage !== "USAGE_PARAMETER" && usage !== "USAGE_CREDENTIAL";

/** A secret that is not there may have been: its change log stays. */
function Gone({ id, tab }: { id: string; tab: string }) {
  const { workspace } = useAccess();
  if (tab === "history")
    return <History name={secretName(workspace, id)} file={`${id}-changes`} list={listSecretHistory} />;
  return (
    <Empty
      icon={<KeyIcon size={26} />}
      title="There is no such secret"
      action={
        <Link className="button-link" to={paths.secret(workspace, id, "history")}>
          Look at its change log
        </Link>
      }
    >
      It was deleted, or it never existed.
    </Empty>
  );
}

function Overview({ secret }: { secret: SecretJson }) {
  const usage = usages[(secret.usage ?? "USAGE_KEY") as KnownUsage];
  const destroyed = secret.state === "VERSION_STATE_DESTROYED";
  return (
    <div className="columns">
      <div className="stack">
        {secret.state === "VERSION_STATE_DISABLED" && (
          <Notice
            tone="warn"
            icon={<AlertIcon />}
            title={`Version ${secret.currentVersion}, the current one, is disabled`}
          >
            <p>Endpoints that need it fail until you enable it or restore another version.</p>
          </Notice>
        )}
        {secret.usage === "USAGE_EXPOSED_KEY" && (
          <Notice tone="bad" icon={<AlertIcon />} title="This key can be computed">
            <p>{exposedWarning}</p>
          </Notice>
        )}
        <Card title="Value">
          {destroyed ? (
            <Notice
              tone="warn"
              icon={<AlertIcon />}
              title={`Version ${secret.currentVersion}, the current one, is destroyed`}
            >
              <p>Store a new value, or restore another version.</p>
            </Notice>
          ) : (
            <div className="masked-value">
              <span aria-label="Masked value">{secret.maskedValue}</span>
              <span className="dimmed">Write-only: no one can view it. The dots are the same for every secret.</span>
            </div>
          )}
        </Card>
        {(secret.usage ?? "USAGE_KEY") === "USAGE_KEY" && <PurposeCard secret={secret} />}
        {isKey(secret) && <NonceBudgets name={secret.name ?? ""} />}
        {destroyed && (
          <Card title="Encrypted representation">
            <p className="dimmed">None. The stored value was destroyed.</p>
          </Card>
        )}
        {secret.encryptedValue && (
          <Card
            title="Encrypted representation"
            words={
              <>
                The value as it is stored, encrypted with {secret.encryptedValue.algorithm}. Only the vault can decrypt
                it.
              </>
            }
          >
            <CopyBlock text={secret.encryptedValue.ciphertext ?? ""} what="encrypted representation" lines={6} />
            <dl className="facts">
              <Fact term="Wrapped by key">
                <code>{secret.encryptedValue.keyId}</code>
              </Fact>
            </dl>
          </Card>
        )}
        {secret.publicKey && (
          <Card title="Public key" words={<>{secret.publicKey.algorithm}. Hand this to the partner.</>}>
            <CopyBlock text={secret.publicKey.pem ?? ""} what="public key as PEM" />
            <CopyBlock text={secret.publicKey.jwk ?? ""} what="public key as JWK" lines={4} />
            <dl className="facts">
              <Fact term="SHA-256 fingerprint">
                <code className="wrap-anywhere">{secret.publicKey.fingerprint}</code>{" "}
                <Copy text={secret.publicKey.fingerprint ?? ""} what="fingerprint" />
              </Fact>
            </dl>
          </Card>
        )}
      </div>
      <Card title="About">
        <dl className="facts">
          <Fact term="Description">
            {secret.description ? (
              <span className="prose" dir="auto">
                {secret.description}
              </span>
            ) : (
              <span className="dimmed">None</span>
            )}
          </Fact>
          <Fact term="For">
            {usage.name}. <span className="dimmed">{usage.words}</span>
          </Fact>
          {secret.usage === "USAGE_CREDENTIAL" && (
            <Fact term="Allowed hosts">
              <ul className="plain mono">
                {secret.allowedHosts?.map((h) => (
                  <li key={h} className="wrap-anywhere">
                    {h}
                  </li>
                ))}
              </ul>
            </Fact>
          )}
          <Fact term="Labels">
            <Labels labels={secret.labels} />
          </Fact>
          <Fact term="Used by">{plural(secret.referenceCount ?? 0, "endpoint")}</Fact>
          <Fact term="Rotation">
            {secret.rotationPeriod ? (
              <>
                Reminds to rotate {everyWords(secret.rotationPeriod)}.
                <br />
                Due <FullTime value={secret.rotationDueTime} />
              </>
            ) : (
              <span className="dimmed">No reminder</span>
            )}
          </Fact>
          <Fact term="Last updated">
            <FullTime value={secret.updateTime} />
          </Fact>
          <Fact term="Created">
            <FullTime value={secret.createTime} />
          </Fact>
          <Fact term="Identifier">
            <code className="wrap-anywhere">{secret.uid}</code>
          </Fact>
        </dl>
      </Card>
    </div>
  );
}
