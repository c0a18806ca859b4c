import { Button, Menu, Skeleton, Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useAccess } from "../api/access";
import { idOf, secretName } from "../api/names";
import { problemOf } from "../api/problem";
import { getSecret, listSecretHistory } from "../api/vault";
import { Link } from "../app/Link";
import { navigate, paths } from "../app/router";
import type { SecretJson } from "../gen/keyward/vault/v1/resources_pb";
import { History } from "../history/History";
import { Copy, CopyBlock } from "../ui/Copy";
import { AlertIcon, ChevronRightIcon, KeyIcon, PencilIcon, RefreshIcon, TrashIcon } from "../ui/icons";
import { Card, Empty, Fact, Labels, Notice, Tag } from "../ui/parts";
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
import { rich, t } from "../text/t";
import { Versions } from "./Versions";

const tabs = [
  ["overview", t("endpoint.tab.overview")],
  ["versions", t("versions.title")],
  ["used-by", t("secret.usedBy")],
  ["history", t("ui.changeLogs")],
] as const;

/** One secret: everything except its value. */
export function SecretPage({ id, tab }: { id: string; tab: string }) {
  const { workspace } = useAccess();
  const name = secretName(workspace, id);
  const [dialog, setDialog] = useState<"edit" | "rotate" | "delete">();
  const secret = useQuery({ queryKey: ["secret", name], queryFn: ({ signal }) => getSecret(name, signal) });
  const gone = secret.error && problemOf(secret.error).reason === "SECRET_NOT_FOUND";
  const shown = tabs.some(([value]) => value === tab) ? tab : "overview";

  return (
    <div className="page">
      <nav className="crumbs" aria-label={t("ui.breadcrumb")}>
        <Link to={paths.secrets(workspace)}>{t("secrets.title")}</Link>
        <ChevronRightIcon size={14} />
      </nav>
      <header className="page-head">
        <div className="page-title">
          <h1 className="mono wrap-anywhere">
            {id} <Copy text={name} what={t("ui.what.resourceName")} />
          </h1>
          {secret.data && (
            <div className="tags">
              <UsageTag usage={secret.data.usage} />
              <Tag>{t("ui.version", { version: secret.data.currentVersion })}</Tag>
              <SecretTags secret={secret.data} />
            </div>
          )}
        </div>
        {secret.data && (
          <div className="page-actions">
            <Button variant="default" leftSection={<PencilIcon size={16} />} onClick={() => setDialog("edit")}>
              {t("ui.edit")}
            </Button>
            <Button variant="default" leftSection={<RefreshIcon size={16} />} onClick={() => setDialog("rotate")}>
              {t("secret.newValue")}
            </Button>
            <RowMenu label={t("ui.moreActions")}>
              <Menu.Item leftSection={<TrashIcon size={16} />} className="danger" onClick={() => setDialog("delete")}>
                {t("ui.delete")}
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
              <Card title={t("endpoints.table")} words={t("referrers.words")}>
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

/** Whether a secret encrypts, under any name of the operation: encryption has a nonce budget. */
const isKey = ({ usage }: SecretJson): boolean => usage !== "USAGE_PARAMETER" && usage !== "USAGE_CREDENTIAL";

/** A secret that does not exist may have existed before: its change log remains. */
function Gone({ id, tab }: { id: string; tab: string }) {
  const { workspace } = useAccess();
  if (tab === "history")
    return <History name={secretName(workspace, id)} file={`${id}-changes`} list={listSecretHistory} />;
  return (
    <Empty
      icon={<KeyIcon size={26} />}
      title={t("secret.missing.title")}
      action={
        <Link className="button-link" to={paths.secret(workspace, id, "history")}>
          {t("ui.viewChangeLog")}
        </Link>
      }
    >
      {t("ui.deletedOrNever")}
    </Empty>
  );
}

function Overview({ secret }: { secret: SecretJson }) {
  const { workspace } = useAccess();
  const usage = usages[(secret.usage ?? "USAGE_KEY") as KnownUsage];
  const destroyed = secret.state === "VERSION_STATE_DESTROYED";
  return (
    <div className="columns">
      <div className="stack">
        {secret.state === "VERSION_STATE_DISABLED" && (
          <Notice
            tone="warn"
            icon={<AlertIcon />}
            title={t("secret.currentDisabled", { currentVersion: secret.currentVersion })}
          >
            <p>{t("secret.currentDisabledWords")}</p>
          </Notice>
        )}
        {secret.usage === "USAGE_EXPOSED_KEY" && (
          <Notice tone="bad" icon={<AlertIcon />} title={t("secret.computable")}>
            <p>{exposedWarning}</p>
          </Notice>
        )}
        <Card title={t("params.value")}>
          {destroyed ? (
            <Notice
              tone="warn"
              icon={<AlertIcon />}
              title={t("secret.currentDestroyed", { currentVersion: secret.currentVersion })}
            >
              <p>{t("secret.currentDestroyedWords")}</p>
            </Notice>
          ) : (
            <div className="masked-value">
              <span aria-label={t("secret.masked")}>{secret.maskedValue}</span>
              <span className="dimmed">{t("secret.maskedWords")}</span>
            </div>
          )}
        </Card>
        {(secret.usage ?? "USAGE_KEY") === "USAGE_KEY" && <PurposeCard secret={secret} />}
        {isKey(secret) && <NonceBudgets name={secret.name ?? ""} />}
        {destroyed && (
          <Card title={t("secret.encrypted")}>
            <p className="dimmed">{t("secret.encryptedNone")}</p>
          </Card>
        )}
        {secret.encryptedValue && (
          <Card
            title={t("secret.encrypted")}
            words={<>{t("secret.encryptedWords", { algorithm: secret.encryptedValue.algorithm })}</>}
          >
            <CopyBlock text={secret.encryptedValue.ciphertext ?? ""} what={t("secret.encryptedWhat")} lines={6} />
            <dl className="facts">
              <Fact term={t("secret.wrappedBy")}>
                <code>{secret.encryptedValue.keyId}</code>
              </Fact>
            </dl>
          </Card>
        )}
        {secret.publicKey && (
          <Card
            title={t("secret.publicKey")}
            words={<>{t("secret.publicKeyWords", { algorithm: secret.publicKey.algorithm })}</>}
          >
            <CopyBlock text={secret.publicKey.pem ?? ""} what={t("secret.publicKeyPem")} />
            <CopyBlock text={secret.publicKey.jwk ?? ""} what={t("secret.publicKeyJwk")} lines={4} />
            <dl className="facts">
              <Fact term={t("secret.fingerprint")}>
                <code className="wrap-anywhere">{secret.publicKey.fingerprint}</code>{" "}
                <Copy text={secret.publicKey.fingerprint ?? ""} what={t("secret.fingerprintWhat")} />
              </Fact>
            </dl>
          </Card>
        )}
      </div>
      <Card title={t("endpoint.about")}>
        <dl className="facts">
          <Fact term={t("secret.description")}>
            {secret.description ? (
              <span className="prose" dir="auto">
                {secret.description}
              </span>
            ) : (
              <span className="dimmed">{t("ui.none")}</span>
            )}
          </Fact>
          <Fact term={t("secret.for")}>
            {usage.name}. <span className="dimmed">{usage.words}</span>
          </Fact>
          {secret.usage === "USAGE_CREDENTIAL" && (
            <Fact term={t("secret.allowedHosts")}>
              <ul className="plain mono">
                {secret.allowedHosts?.map((h) => (
                  <li key={h} className="wrap-anywhere">
                    {h}
                  </li>
                ))}
              </ul>
            </Fact>
          )}
          {secret.issuedBy && (
            <Fact term={t("secret.issuedBy")}>
              <Link className="mono wrap-anywhere" to={paths.endpoint(workspace, idOf(secret.issuedBy))}>
                {idOf(secret.issuedBy)}
              </Link>
            </Fact>
          )}
          <Fact term={t("secret.labels")}>
            <Labels labels={secret.labels} />
          </Fact>
          <Fact term={t("secret.usedBy")}>{t("ui.endpoints", { count: secret.referenceCount ?? 0 })}</Fact>
          <Fact term={t("secret.rotation")}>
            {secret.rotationPeriod ? (
              <>
                {t("secret.reminds", { period: everyWords(secret.rotationPeriod) })}
                <br />
                {rich("secret.due", { time: <FullTime value={secret.rotationDueTime} /> })}
              </>
            ) : (
              <span className="dimmed">{t("secret.noReminder")}</span>
            )}
          </Fact>
          <Fact term={t("ui.lastUpdated")}>
            <FullTime value={secret.updateTime} />
          </Fact>
          <Fact term={t("ui.created")}>
            <FullTime value={secret.createTime} />
          </Fact>
          <Fact term={t("secret.identifier")}>
            <code className="wrap-anywhere">{secret.uid}</code>
          </Fact>
        </dl>
      </Card>
    </div>
  );
}
