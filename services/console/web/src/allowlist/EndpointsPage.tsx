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

/** The partners' endpoints that the platform may talk to. */
export function EndpointsPage() {
  const { workspace, manage } = useAccess();
  const [params, change] = useParams();
  const filter = {
    query: params.get("q") ?? "",
    state: (params.get("state") ?? undefined) as Endpoint_StateJson | undefined,
    orderBy: (params.get("sort") ?? "name") as Sort,
  };
  const unsafe = params.get("unsafe") ?? "";
  // Taken once, so that all pages of a list are of the same one.
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
      Add endpoint
    </Button>
  );
  return (
    <div className="page">
      <header className="page-head">
        <div>
          <h1>Allowlist</h1>
          <p className="dimmed">
            The partners' endpoints that the platform may talk to, and how what goes there is protected.
          </p>
        </div>
        {add}
      </header>
      <div className="toolbar" role="search">
        <Search
          value={filter.query}
          onChange={(q) => change({ q })}
          label="Search by name"
          busy={endpoints.isFetching && endpoints.isPlaceholderData}
        />
        <Select
          aria-label="State"
          w={150}
          value={filter.state ?? ""}
          onChange={(s) => change({ state: s ?? "" })}
          data={[
            { value: "", label: "All states" },
            ...Object.entries(states).map(([value, [label]]) => ({ value, label })),
          ]}
        />
        <Select
          aria-label="Unsafe choices"
          w={218}
          value={unsafe}
          onChange={(u) => change({ unsafe: u ?? "" })}
          data={[
            { value: "", label: "Safe and unsafe" },
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
            title="Nothing found"
            action={
              <Button variant="default" onClick={() => change({ q: "", state: "", unsafe: "" })}>
                Show all endpoints
              </Button>
            }
          >
            No endpoint of this workspace matches what you look for.
          </Empty>
        ) : (
          <EmptyWorkspace icon={<GlobeIcon size={26} />} title="No endpoints yet" action={add}>
            {manage
              ? "Add the first partner's endpoint. It can be used once it is proven to be the partner's."
              : "An owner of the workspace adds them."}
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
        <caption className="sr-only">Endpoints</caption>
        <thead>
          <tr>
            <SortHeader name="Endpoint" by="name" order={order} onOrder={onOrder} />
            <th scope="col" className="wide-only">
              URL
            </th>
            <th scope="col">State</th>
            <th scope="col">Verification</th>
            <th scope="col" className="mid-only">
              Protection
            </th>
            <SortHeader name="Last updated" by="update_time" order={order} onOrder={onOrder} />
            {manage && (
              <th scope="col" className="actions">
                <span className="sr-only">Actions</span>
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
      <th scope="row" data-label="Endpoint">
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
      <td data-label="State">
        <StateTag state={endpoint.state} />
      </td>
      <td data-label="Verification">
        <VerificationTag verification={endpoint.verification} />
      </td>
      <td className="mid-only" data-label="Protection">
        <span className="tags">
          {used.map((a) => (
            <Tagged key={a} text={a} />
          ))}
          <LegacyTags encryption={endpoint.encryption} below />
          {!endpoint.encryption && <span className="dimmed">None</span>}
        </span>
      </td>
      <td data-label="Last updated">
        <Time value={endpoint.updateTime} />
      </td>
      {manage && (
        <td className="actions">
          <RowMenu label={`Actions for ${id}`}>
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
        Details
      </Menu.Item>
      <Menu.Item leftSection={<PencilIcon size={16} />} onClick={() => navigate(paths.endpoint(workspace, id, "edit"))}>
        Edit
      </Menu.Item>
      {!isVerified(endpoint.verification) && (
        <Menu.Item
          leftSection={<ShieldCheckIcon size={16} />}
          onClick={() => navigate(paths.endpoint(workspace, id, "verification"))}
        >
          Verify
        </Menu.Item>
      )}
      {endpoint.state === "STATE_ACTIVE" && (
        <Menu.Item leftSection={<PowerIcon size={16} />} onClick={() => actions.ask("deactivate", endpoint)}>
          Deactivate
        </Menu.Item>
      )}
      {endpoint.state !== "STATE_ACTIVE" && isVerified(endpoint.verification) && (
        <Menu.Item leftSection={<PowerIcon size={16} />} onClick={() => actions.activate(endpoint)}>
          Activate
        </Menu.Item>
      )}
      <Menu.Item
        leftSection={<ClockIcon size={16} />}
        onClick={() => navigate(paths.endpoint(workspace, id, "history"))}
      >
        Change logs
      </Menu.Item>
      <Menu.Divider />
      <Menu.Item
        leftSection={<TrashIcon size={16} />}
        className="danger"
        onClick={() => actions.ask("delete", endpoint)}
      >
        Delete
      </Menu.Item>
    </>
  );
}
