import { Button, Menu, Select, Skeleton } from "@mantine/core";
import { useMemo } from "react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useAccess } from "../api/access";
import { listEndpoints } from "../api/allowlist";
import { idOf } from "../api/names";
import type { Sort } from "../api/vault";
import { EmptyWorkspace } from "../app/EmptyWorkspace";
import { Link } from "../app/Link";
import { navigate, paths, useParams } from "../app/router";
import type { Endpoint_StateJson, EndpointJson } from "../gen/keyward/allowlist/v1/resources_pb";
import {
  ClockIcon,
  EyeIcon,
  GlobeIcon,
  PencilIcon,
  PlusIcon,
  PowerIcon,
  SearchIcon,
  ShieldCheckIcon,
  TrashIcon,
} from "../ui/icons";
import { inOrder } from "../ui/order";
import { Pager, useFirstAgain, usePages } from "../ui/Pager";
import { Ellipsis, Empty } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { RowMenu } from "../ui/RowMenu";
import { Search } from "../ui/Search";
import { SortHeader } from "../ui/SortHeader";
import { Time } from "../ui/Time";
import { useEndpointActions, type EndpointActions } from "./actions";
import "./allowlist.css";
import { t } from "../text/t";
import {
  protections,
  isVerified,
  legacyBefore,
  LegacyTags,
  states,
  StateTag,
  unsafeFilters,
  VerificationTag,
} from "./words";

/** The partner endpoints that services can call. */
export function EndpointsPage() {
  const { workspace, manage } = useAccess();
  const [params, change] = useParams();
  const filter = {
    query: params.get("q") ?? "",
    state: (params.get("state") ?? undefined) as Endpoint_StateJson | undefined,
    orderBy: (params.get("sort") ?? "name") as Sort,
  };
  const unsafe = params.get("unsafe") ?? "";
  // Computed once, so that all pages of a list use the same time.
  const legacyExpiresBefore = useMemo(() => legacyBefore(unsafe), [unsafe]);
  const size = Number(params.get("size") ?? 50);
  const pages = usePages();
  const endpoints = useQuery({
    queryKey: ["endpoints", workspace, filter, legacyExpiresBefore, size, pages.token ?? ""],
    queryFn: ({ signal }) =>
      listEndpoints(workspace, { ...filter, legacyExpiresBefore, pageSize: size, pageToken: pages.token }, signal),
    placeholderData: keepPreviousData,
  });
  useFirstAgain(pages, endpoints.error);
  const actions = useEndpointActions();
  const list = inOrder(endpoints.data?.endpoints, filter.orderBy, !pages.token && !endpoints.data?.nextPageToken);
  const empty = list?.length === 0 && pages.number === 0 && !endpoints.isPlaceholderData;
  const add = manage && (
    <Button leftSection={<PlusIcon size={16} />} onClick={() => navigate(paths.newEndpoint(workspace))}>
      {t("endpoints.add")}
    </Button>
  );
  return (
    <div className="page">
      <header className="page-head">
        <div>
          <h1>{t("endpoints.title")}</h1>
          <p className="dimmed">{t("endpoints.words")}</p>
        </div>
        {add}
      </header>
      <div className="toolbar" role="search">
        <Search
          value={filter.query}
          onChange={(q) => change({ q })}
          label={t("ui.searchByName")}
          busy={endpoints.isFetching && endpoints.isPlaceholderData}
        />
        <Select
          aria-label={t("endpoints.state")}
          w={150}
          value={filter.state ?? ""}
          onChange={(s) => change({ state: s ?? "" })}
          data={[
            { value: "", label: t("endpoints.allStates") },
            ...Object.entries(states).map(([value, [label]]) => ({ value, label })),
          ]}
        />
        <Select
          aria-label={t("endpoints.unsafe")}
          w={218}
          value={unsafe}
          onChange={(u) => change({ unsafe: u ?? "" })}
          data={[
            { value: "", label: t("endpoints.unsafeAll") },
            ...Object.entries(unsafeFilters).map(([value, { label }]) => ({ value, label })),
          ]}
        />
      </div>
      <ProblemPanel error={endpoints.error} onRetry={() => void endpoints.refetch()} />
      {actions.notice}
      {actions.warnings}
      {empty ? (
        filter.query || filter.state || unsafe ? (
          <Empty
            icon={<SearchIcon size={26} />}
            title={t("ui.nothingFound")}
            action={
              <Button variant="default" onClick={() => change({ q: "", state: "", unsafe: "" })}>
                {t("endpoints.showAll")}
              </Button>
            }
          >
            {t("endpoints.noMatch")}
          </Empty>
        ) : (
          <EmptyWorkspace icon={<GlobeIcon size={26} />} title={t("endpoints.empty.title")} action={add}>
            {manage ? t("endpoints.empty.words") : t("endpoints.empty.member")}
          </EmptyWorkspace>
        )
      ) : (
        !(endpoints.error && !list) && (
          <>
            <Table
              endpoints={list}
              stale={endpoints.isPlaceholderData}
              order={filter.orderBy}
              onOrder={(sort) => change({ sort: sort === "name" ? "" : sort })}
              actions={actions}
            />
            <Pager
              pages={pages}
              size={size}
              count={list?.length ?? 0}
              nextToken={endpoints.data?.nextPageToken}
              onSize={(s) => change({ size: s === "50" ? "" : s })}
            />
          </>
        )
      )}
      {actions.dialog}
    </div>
  );
}

interface TableProps {
  endpoints: EndpointJson[] | undefined;
  stale: boolean;
  order: string;
  onOrder: (order: string) => void;
  actions: EndpointActions;
}

function Table({ endpoints, stale, order, onOrder, actions }: TableProps) {
  const { manage } = useAccess();
  return (
    <div className="table-frame">
      <table className="table endpoints" aria-busy={!endpoints || stale} data-stale={stale || undefined}>
        <caption className="sr-only">{t("endpoints.table")}</caption>
        <thead>
          <tr>
            <SortHeader name={t("endpoints.column.name")} by="name" order={order} onOrder={onOrder} />
            <th scope="col" className="wide-only">
              {t("endpoints.column.url")}
            </th>
            <th scope="col">{t("endpoints.state")}</th>
            <th scope="col">{t("endpoints.column.verification")}</th>
            <th scope="col" className="mid-only">
              {t("endpoints.column.protection")}
            </th>
            <SortHeader name={t("ui.lastUpdated")} by="update_time" order={order} onOrder={onOrder} />
            {manage && (
              <th scope="col" className="actions">
                <span className="sr-only">{t("ui.actions")}</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {endpoints
            ? endpoints.map((e) => <Row key={e.uid} endpoint={e} actions={actions} />)
            : Array.from({ length: 5 }, (_, i) => (
                <tr key={i}>
                  <td colSpan={manage ? 7 : 6}>
                    <Skeleton height={12} width={`${80 - i * 9}%`} radius="xl" />
                  </td>
                </tr>
              ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ endpoint, actions }: { endpoint: EndpointJson; actions: EndpointActions }) {
  const { workspace, manage } = useAccess();
  const id = idOf(endpoint.name);
  const used = protections(endpoint.encryption);
  return (
    <tr>
      <th scope="row" data-label={t("endpoints.column.name")}>
        <Link to={paths.endpoint(workspace, id)} className="row-link two-lines">
          {endpoint.displayName && <Ellipsis text={endpoint.displayName} />}
          <span className={endpoint.displayName ? "dimmed small" : undefined}>
            <Ellipsis text={id} mono />
          </span>
        </Link>
      </th>
      <td className="wide-only" data-label="URL">
        <span className="methods">{endpoint.methods?.join(" ")}</span>
        <Ellipsis text={endpoint.url?.replace(/^https:\/\//, "")} hint={endpoint.url} mono />
      </td>
      <td data-label={t("endpoints.state")}>
        <StateTag state={endpoint.state} />
      </td>
      <td data-label={t("endpoints.column.verification")}>
        <VerificationTag verification={endpoint.verification} />
      </td>
      <td className="mid-only" data-label={t("endpoints.column.protection")}>
        <span className="tags">
          {used.map((a) => (
            <Tagged key={a} text={a} />
          ))}
          <LegacyTags encryption={endpoint.encryption} below />
          {!endpoint.encryption && <span className="dimmed">{t("ui.none")}</span>}
        </span>
      </td>
      <td data-label={t("ui.lastUpdated")}>
        <Time value={endpoint.updateTime} />
      </td>
      {manage && (
        <td className="actions">
          <RowMenu label={t("ui.actionsFor", { id })}>
            <RowItems endpoint={endpoint} actions={actions} />
          </RowMenu>
        </td>
      )}
    </tr>
  );
}

const Tagged = ({ text }: { text: string }) => <span className="tag quiet">{text}</span>;

function RowItems({ endpoint, actions }: { endpoint: EndpointJson; actions: EndpointActions }) {
  const { workspace } = useAccess();
  const id = idOf(endpoint.name);
  return (
    <>
      <Menu.Item leftSection={<EyeIcon size={16} />} onClick={() => navigate(paths.endpoint(workspace, id))}>
        {t("ui.details")}
      </Menu.Item>
      <Menu.Item leftSection={<PencilIcon size={16} />} onClick={() => navigate(paths.endpoint(workspace, id, "edit"))}>
        {t("ui.edit")}
      </Menu.Item>
      {!isVerified(endpoint.verification) && (
        <Menu.Item
          leftSection={<ShieldCheckIcon size={16} />}
          onClick={() => navigate(paths.endpoint(workspace, id, "verification"))}
        >
          {t("endpoint.verify")}
        </Menu.Item>
      )}
      {endpoint.state === "STATE_ACTIVE" && (
        <Menu.Item leftSection={<PowerIcon size={16} />} onClick={() => actions.ask("deactivate", endpoint)}>
          {t("endpoint.deactivate")}
        </Menu.Item>
      )}
      {endpoint.state !== "STATE_ACTIVE" && isVerified(endpoint.verification) && (
        <Menu.Item leftSection={<PowerIcon size={16} />} onClick={() => actions.activate(endpoint)}>
          {t("endpoint.activate")}
        </Menu.Item>
      )}
      <Menu.Item
        leftSection={<ClockIcon size={16} />}
        onClick={() => navigate(paths.endpoint(workspace, id, "history"))}
      >
        {t("ui.changeLogs")}
      </Menu.Item>
      <Menu.Divider />
      <Menu.Item
        leftSection={<TrashIcon size={16} />}
        className="danger"
        onClick={() => actions.ask("delete", endpoint)}
      >
        {t("ui.delete")}
      </Menu.Item>
    </>
  );
}
