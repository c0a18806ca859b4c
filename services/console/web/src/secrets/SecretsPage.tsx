import { Button, Select, TextInput } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { useAccess } from "../api/access";
import { listSecrets, type Sort } from "../api/vault";
import { EmptyWorkspace } from "../app/EmptyWorkspace";
import { useParams } from "../app/router";
import type { UsageJson } from "../gen/keyward/vault/v1/resources_pb";
import { KeyIcon, PlusIcon, SearchIcon, ShieldCheckIcon } from "../ui/icons";
import { Pager, useFirstAgain, usePages } from "../ui/Pager";
import { inOrder } from "../ui/order";
import { Empty } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { Search } from "../ui/Search";
import { dueBefore, soonDays } from "./rotation";
import { SealingSettings } from "./SealingSettings";
import { SecretTable } from "./SecretTable";
import { StoreSecret } from "./StoreSecret";
import { usages } from "./usage";

const labelRule = /^([a-z][a-z0-9_.-]{0,62}(=[A-Za-z0-9_.-]{0,63})?)?$/;

/** The secrets of a workspace: find, store, and what to do with each. */
export function SecretsPage() {
  const { workspace } = useAccess();
  const [storing, setStoring] = useState(false);
  const [sealing, setSealing] = useState(false);
  const [params, change] = useParams();
  const rotation = params.get("rotation") ?? "";
  // One moment for all pages of a list: their tokens hold to it.
  const rotationDueBefore = useMemo(() => dueBefore(rotation, Date.now()), [rotation]);
  const filter = {
    query: params.get("q") ?? "",
    usage: (params.get("usage") ?? undefined) as UsageJson | undefined,
    label: labelRule.test(params.get("label") ?? "") ? (params.get("label") ?? "") : "",
    rotationDueBefore,
    orderBy: (params.get("sort") ?? "name") as Sort,
  };
  const size = Number(params.get("size") ?? 50);
  const pages = usePages();
  const secrets = useQuery({
    queryKey: ["secrets", workspace, filter, size, pages.token ?? ""],
    queryFn: ({ signal }) => listSecrets(workspace, { ...filter, pageSize: size, pageToken: pages.token }, signal),
    placeholderData: keepPreviousData,
  });
  useFirstAgain(pages, secrets.error);
  const list = inOrder(secrets.data?.secrets, filter.orderBy, !pages.token && !secrets.data?.nextPageToken);
  const filtered = Boolean(filter.query || filter.usage || filter.label || rotationDueBefore);
  const empty = list?.length === 0 && pages.number === 0 && !secrets.isPlaceholderData;

  return (
    <div className="page">
      <header className="page-head">
        <div>
          <h1>Secrets</h1>
          <p className="dimmed">Values are write-only: no one can view them again, not even you.</p>
        </div>
        <div className="page-actions">
          <Button variant="default" leftSection={<ShieldCheckIcon size={16} />} onClick={() => setSealing(true)}>
            Sealed values
          </Button>
          <Button leftSection={<PlusIcon size={16} />} onClick={() => setStoring(true)}>
            Store New Secret
          </Button>
        </div>
      </header>
      <div className="toolbar" role="search">
        <Search
          value={filter.query}
          onChange={(q) => change({ q })}
          label="Search by name"
          busy={secrets.isFetching && secrets.isPlaceholderData}
        />
        <Select
          aria-label="What it is for"
          w={150}
          value={filter.usage ?? ""}
          onChange={(usage) => change({ usage: usage ?? "" })}
          data={[
            { value: "", label: "All uses" },
            ...Object.entries(usages).map(([value, u]) => ({ value, label: `${u.name}s` })),
          ]}
        />
        <Select
          aria-label="Rotation"
          w={196}
          value={rotationDueBefore ? rotation : ""}
          onChange={(choice) => change({ rotation: choice ?? "" })}
          data={[
            { value: "", label: "Any rotation" },
            { value: "overdue", label: "Rotation overdue" },
            { value: "soon", label: `Rotation due in ${soonDays} days` },
          ]}
        />
        <LabelFilter value={filter.label} onChange={(label) => change({ label })} />
      </div>
      <ProblemPanel error={secrets.error} onRetry={() => void secrets.refetch()} />
      {empty ? (
        filtered ? (
          <Empty
            icon={<SearchIcon size={26} />}
            title="Nothing found"
            action={
              <Button variant="default" onClick={() => change({ q: "", usage: "", label: "", rotation: "" })}>
                Show all secrets
              </Button>
            }
          >
            No secret in this workspace matches your search.
          </Empty>
        ) : (
          <EmptyWorkspace
            icon={<KeyIcon size={26} />}
            title="No secrets yet"
            action={
              <Button leftSection={<PlusIcon size={16} />} onClick={() => setStoring(true)}>
                Store New Secret
              </Button>
            }
          >
            Store the keys that partners sent you, or generate new ones that no one ever sees. Endpoints refer to them
            by name.
          </EmptyWorkspace>
        )
      ) : (
        !(secrets.error && !list) && (
          <>
            <SecretTable
              secrets={list}
              stale={secrets.isPlaceholderData}
              order={filter.orderBy}
              onOrder={(sort) => change({ sort: sort === "name" ? "" : sort })}
            />
            <Pager
              pages={pages}
              size={size}
              count={list?.length ?? 0}
              nextToken={secrets.data?.nextPageToken}
              onSize={(s) => change({ size: s === "50" ? "" : s })}
            />
          </>
        )
      )}
      {storing && <StoreSecret onClose={() => setStoring(false)} />}
      {sealing && <SealingSettings onClose={() => setSealing(false)} />}
    </div>
  );
}

/** Filters by label once what is typed is one. */
function LabelFilter({ value, onChange }: { value: string; onChange: (label: string) => void }) {
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  const right = labelRule.test(typed);
  return (
    <TextInput
      aria-label="Label"
      className="label-filter"
      placeholder="Label, as team=payments"
      value={typed}
      error={!right}
      maxLength={130}
      onChange={(e) => {
        setTyped(e.currentTarget.value);
        if (labelRule.test(e.currentTarget.value)) onChange(e.currentTarget.value);
      }}
    />
  );
}
