import { Button, Menu, Skeleton, Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useAccess } from "../api/access";
import { getEndpoint, listEndpointHistory } from "../api/allowlist";
import { endpointName } from "../api/names";
import { problemOf } from "../api/problem";
import { Link } from "../app/Link";
import { navigate, paths } from "../app/router";
import type { EndpointJson, ParameterJson } from "../gen/keyward/allowlist/v1/resources_pb";
import { History } from "../history/History";
import { Integrate } from "../integrate/Integrate";
import { MessageView, SecretRefView } from "../shape/View";
import type { Json } from "../shape/value";
import { Diagnose } from "../tryout/Diagnose";
import { TryOut } from "../tryout/TryOut";
import { Copy } from "../ui/Copy";
import { AlertIcon, ChevronRightIcon, GlobeIcon, PencilIcon, PowerIcon, ShieldCheckIcon, TrashIcon } from "../ui/icons";
import { Card, Empty, Fact, Labels, Notice } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { RowMenu } from "../ui/RowMenu";
import { TabList } from "../ui/TabList";
import { FullTime } from "../ui/Time";
import { day } from "../ui/time";
import { useEndpointActions, type EndpointActions } from "./actions";
import { Lost, useLosses } from "./Rebind";
import { KeyPurposes } from "./KeyPurposes";
import { KeyUses, RecentFailures } from "./Uses";
import { Verification } from "./Verification";
import { Warnings } from "./Warnings";
import { rich, t } from "../text/t";
import {
  directionWords,
  expiryWords,
  isEncrypted,
  isVerified,
  legacyOf,
  LegacyTags,
  StateTag,
  VerificationTag,
} from "./words";

const all = [
  ["overview", t("endpoint.tab.overview")],
  ["encryption", t("endpoint.tab.encryption")],
  ["test", t("endpoint.tab.test")],
  ["integrate", t("endpoint.tab.integrate")],
  ["verification", t("endpoint.tab.verification")],
  ["history", t("ui.changeLogs")],
] as const;

/** The interval for refetching an endpoint while it waits for a proof, in milliseconds. */
const waiting = 5_000;

/** One endpoint: its request, its protection, and its owners. */
export function EndpointPage({ id, tab }: { id: string; tab: string }) {
  const { workspace, manage } = useAccess();
  const name = endpointName(workspace, id);
  const endpoint = useQuery({
    queryKey: ["endpoint", name],
    queryFn: ({ signal }) => getEndpoint(name, signal),
    refetchInterval: ({ state }) =>
      tab === "verification" && state.data && !isVerified(state.data.verification) ? waiting : false,
  });
  const actions = useEndpointActions();
  const gone = endpoint.error && problemOf(endpoint.error).reason === "ENDPOINT_NOT_FOUND";
  // Members do not see actions that they cannot request.
  const tabs = all
    .filter(([value]) => manage || ["overview", "encryption", "integrate"].includes(value))
    .filter(([value]) => value !== "test" || endpoint.data?.encryption);
  const shown = tabs.some(([value]) => value === tab) ? tab : "overview";
  const data = endpoint.data;
  return (
    <div className="page">
      <nav className="crumbs" aria-label={t("ui.breadcrumb")}>
        <Link to={paths.endpoints(workspace)}>{t("endpoints.title")}</Link>
        <ChevronRightIcon size={14} />
      </nav>
      <header className="page-head">
        <div className="page-title">
          <h1 dir="auto" className={data?.displayName ? "wrap-anywhere" : "mono wrap-anywhere"}>
            {data?.displayName || id}
          </h1>
          <div className="tags">
            {data?.displayName && <span className="dimmed mono wrap-anywhere">{id}</span>}
            {data && <StateTag state={data.state} />}
            {data && <VerificationTag verification={data.verification} long />}
            {data && <LegacyTags encryption={data.encryption} />}
          </div>
        </div>
        {data && manage && <Actions endpoint={data} id={id} actions={actions} />}
      </header>
      {actions.notice}
      {gone ? (
        <Gone id={id} tab={tab} />
      ) : (
        <>
          <ProblemPanel error={endpoint.error} onRetry={() => void endpoint.refetch()} />
          {manage && <Warnings endpoint={data} />}
          {data && <NextStep endpoint={data} id={id} tab={shown} actions={actions} />}
          <Tabs
            value={shown}
            onChange={(t) =>
              t && navigate(paths.endpoint(workspace, id, t === "overview" ? undefined : t), { replace: true })
            }
            keepMounted={false}
          >
            <TabList>
              {tabs.map(([value, words]) => (
                <Tabs.Tab key={value} value={value}>
                  {words}
                </Tabs.Tab>
              ))}
            </TabList>
            {!data && !endpoint.error && <Skeleton height={320} />}
            <Tabs.Panel value="overview">{data && <Overview endpoint={data} />}</Tabs.Panel>
            <Tabs.Panel value="encryption">{data && <Encryption endpoint={data} />}</Tabs.Panel>
            <Tabs.Panel value="integrate">{data && <Integrate endpoint={data} />}</Tabs.Panel>
            {manage && (
              <>
                <Tabs.Panel value="test">
                  <TestTab name={name} />
                </Tabs.Panel>
                <Tabs.Panel value="verification">
                  {data && <Verification endpoint={data} onApprove={() => actions.ask("approve", data)} />}
                </Tabs.Panel>
                <Tabs.Panel value="history">
                  <History name={name} file={`${id}-changes`} list={listEndpointHistory} />
                </Tabs.Panel>
              </>
            )}
          </Tabs>
        </>
      )}
      {actions.dialog}
    </div>
  );
}

function Gone({ id, tab }: { id: string; tab: string }) {
  const { workspace, manage } = useAccess();
  if (tab === "history" && manage)
    return <History name={endpointName(workspace, id)} file={`${id}-changes`} list={listEndpointHistory} />;
  return (
    <Empty
      icon={<GlobeIcon size={26} />}
      title={t("endpoint.missing.title")}
      action={
        manage && (
          <Link className="button-link" to={paths.endpoint(workspace, id, "history")}>
            {t("ui.viewChangeLog")}
          </Link>
        )
      }
    >
      {t("ui.deletedOrNever")}
    </Empty>
  );
}

function Actions({ endpoint, id, actions }: { endpoint: EndpointJson; id: string; actions: EndpointActions }) {
  const { workspace, admin } = useAccess();
  const verified = isVerified(endpoint.verification);
  const active = endpoint.state === "STATE_ACTIVE";
  return (
    <div className="page-actions">
      <Button
        variant="default"
        leftSection={<PencilIcon size={16} />}
        onClick={() => navigate(paths.endpoint(workspace, id, "edit"))}
      >
        {t("ui.edit")}
      </Button>
      {verified && !active && (
        <Button leftSection={<PowerIcon size={16} />} loading={actions.busy} onClick={() => actions.activate(endpoint)}>
          {t("endpoint.activate")}
        </Button>
      )}
      <RowMenu label={t("ui.moreActions")}>
        {admin && !verified && (
          <Menu.Item leftSection={<ShieldCheckIcon size={16} />} onClick={() => actions.ask("approve", endpoint)}>
            {t("endpoint.approve")}
          </Menu.Item>
        )}
        {active && (
          <Menu.Item leftSection={<PowerIcon size={16} />} onClick={() => actions.ask("deactivate", endpoint)}>
            {t("endpoint.deactivate")}
          </Menu.Item>
        )}
        <Menu.Item
          leftSection={<TrashIcon size={16} />}
          className="danger"
          onClick={() => actions.ask("delete", endpoint)}
        >
          {t("ui.delete")}
        </Menu.Item>
      </RowMenu>
    </div>
  );
}

/** The steps that remain before an endpoint is active. */
function NextStep({
  endpoint,
  id,
  tab,
  actions,
}: {
  endpoint: EndpointJson;
  id: string;
  tab: string;
  actions: EndpointActions;
}) {
  const { workspace, manage, admin } = useAccess();
  const losses = useLosses(endpoint);
  if (losses) return <Lost endpoint={endpoint} losses={losses} />;
  const degraded = endpoint.verification?.health === "HEALTH_DEGRADED";
  if (degraded) {
    return (
      <Notice tone="bad" title={t("endpoint.proofMissing.title")}>
        <p>{rich("endpoint.proofMissing.words", { time: <FullTime value={endpoint.verification?.graceTime} /> })}</p>
      </Notice>
    );
  }
  if (endpoint.state === "STATE_ACTIVE") return null;
  if (!manage) {
    return endpoint.state === "STATE_INACTIVE" && endpoint.stateReason ? (
      <Notice title={t("endpoint.off.title")}>
        <p>{t("endpoint.off.reason", { reason: endpoint.stateReason })}</p>
      </Notice>
    ) : null;
  }
  if (isVerified(endpoint.verification)) {
    return (
      <Notice title={endpoint.state === "STATE_INACTIVE" ? t("endpoint.off.title") : t("endpoint.ready.title")}>
        <p>
          {endpoint.state === "STATE_INACTIVE" && endpoint.stateReason
            ? t("endpoint.ready.after", { reason: endpoint.stateReason })
            : t("endpoint.ready.words")}
        </p>
      </Notice>
    );
  }
  if (tab === "verification") return null;
  return (
    <Notice
      tone="warn"
      title={t("endpoint.unverified.title")}
      action={
        <Button
          size="xs"
          variant="default"
          onClick={() =>
            admin ? actions.ask("approve", endpoint) : navigate(paths.endpoint(workspace, id, "verification"))
          }
        >
          {admin ? t("endpoint.approve") : t("endpoint.verify")}
        </Button>
      }
    >
      <p>{t("endpoint.unverified.words")}</p>
    </Notice>
  );
}

function Overview({ endpoint }: { endpoint: EndpointJson }) {
  return (
    <div className="columns">
      <div className="stack">
        <Card title={t("endpoint.request")}>
          <dl className="facts">
            <Fact term={t("endpoint.url")}>
              <span className="mono wrap-anywhere">{endpoint.url}</span>{" "}
              <Copy text={endpoint.url ?? ""} what={t("endpoint.url")} />
              {endpoint.urlPublicReason && (
                <p className="dimmed">{t("endpoint.urlPublic", { urlPublicReason: endpoint.urlPublicReason })}</p>
              )}
            </Fact>
            <Fact term={t("endpoint.methods")}>
              <span className="tags">
                {endpoint.methods?.map((m) => (
                  <span key={m} className="tag quiet mono">
                    {m}
                  </span>
                ))}
              </span>
            </Fact>
            <Fact term={t("endpoint.contentType")}>
              {endpoint.contentType ? (
                <code>{endpoint.contentType}</code>
              ) : (
                <span className="dimmed">{t("ui.notSet")}</span>
              )}
            </Fact>
          </dl>
        </Card>
        <Parameters title={t("endpoint.headers")} list={endpoint.headers} />
        <Parameters title={t("endpoint.queryParameters")} list={endpoint.queryParameters} />
        {(endpoint.bodyValues?.length ?? 0) > 0 && (
          <Card title={t("endpoint.bodyValues")}>
            <dl className="view">
              {endpoint.bodyValues?.map((b) => (
                <div key={b.path}>
                  <dt className="mono">{b.path}</dt>
                  <dd>
                    <SecretRefView value={b.secret ?? {}} />
                  </dd>
                </div>
              ))}
            </dl>
          </Card>
        )}
      </div>
      <Card title={t("endpoint.about")}>
        <dl className="facts">
          <Fact term={t("endpoint.description")}>
            {endpoint.description ? (
              <span className="prose" dir="auto">
                {endpoint.description}
              </span>
            ) : (
              <span className="dimmed">{t("ui.none")}</span>
            )}
          </Fact>
          <Fact term={t("endpoint.verified")}>
            {isVerified(endpoint.verification) ? (
              <>
                <VerificationTag verification={endpoint.verification} />{" "}
                <FullTime value={endpoint.verification?.time} />
              </>
            ) : (
              <span className="dimmed">{t("ui.notYet")}</span>
            )}
          </Fact>
          <Fact term={t("endpoint.labels")}>
            <Labels labels={endpoint.labels} />
          </Fact>
          <Fact term={t("ui.lastUpdated")}>
            <FullTime value={endpoint.updateTime} />
          </Fact>
          <Fact term={t("ui.created")}>
            <FullTime value={endpoint.createTime} />
          </Fact>
          <Fact term={t("ui.resourceName")}>
            <code className="wrap-anywhere">{endpoint.name}</code>{" "}
            <Copy text={endpoint.name ?? ""} what={t("ui.what.resourceName")} />
          </Fact>
        </dl>
      </Card>
    </div>
  );
}

function Parameters({ title, list }: { title: string; list: ParameterJson[] | undefined }) {
  if (!list?.length) return null;
  return (
    <Card title={title}>
      <dl className="view">
        {list.map((p, i) => (
          <div key={i}>
            <dt className="mono">{p.name}</dt>
            <dd>
              {p.secret ? <SecretRefView value={p.secret as Json} /> : <code className="wrap-anywhere">{p.value}</code>}
              {p.publicReason && (
                <p className="dimmed">{t("endpoint.paramPublic", { publicReason: p.publicReason })}</p>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

function TestTab({ name }: { name: string }) {
  return (
    <div className="stack">
      <Card title={t("endpoint.tab.test")}>
        <TryOut name={name} />
      </Card>
      <Diagnose name={name} />
    </div>
  );
}

function Encryption({ endpoint }: { endpoint: EndpointJson }) {
  const { manage } = useAccess();
  const { encryption } = endpoint;
  const legacy = legacyOf(encryption);
  if (!encryption) {
    return (
      <Empty icon={<ShieldCheckIcon size={26} />} title={t("endpoint.plain.title")}>
        {t("endpoint.plain.words")}
      </Empty>
    );
  }
  return (
    <div className="stack">
      {legacy.length > 0 && (
        <Notice
          tone={legacy.some((l) => l.over) ? "bad" : "warn"}
          icon={<AlertIcon size={18} />}
          title={t("endpoint.unsafe.title")}
        >
          {legacy.map((l) => (
            <p key={l.flag + l.expires + l.reason}>
              <b>{l.flag}</b> {directionWords(l)}, {expiryWords(l)} ({day(l.expires)}): <bdi>{l.reason}</bdi>
            </p>
          ))}
        </Notice>
      )}
      <div className="columns even">
        <Card title={t("encryption.requests")}>
          <MessageView type="keyward.allowlist.v1.Profile" value={encryption.request ?? {}} />
        </Card>
        <Card title={t("encryption.responses")}>
          {encryption.response ? (
            <MessageView type="keyward.allowlist.v1.Profile" value={encryption.response} />
          ) : (
            <p className="dimmed">
              {!isEncrypted(encryption.request) ? t("endpoint.plainResponse") : t("endpoint.responseSame")}
            </p>
          )}
        </Card>
      </div>
      {(encryption.alsoUsedFor?.length ?? 0) > 0 && (
        <Card title={t("encryption.otherUses")} words={t("endpoint.otherUsesWords")}>
          {encryption.alsoUsedFor?.map((use, i) => (
            <MessageView key={i} type="keyward.allowlist.v1.DeclaredUse" value={use} />
          ))}
        </Card>
      )}
      {manage && <KeyPurposes endpoint={endpoint} />}
      {manage && <KeyUses endpoint={endpoint} />}
      {manage && <RecentFailures endpoint={endpoint} />}
    </div>
  );
}
