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
import { Empty, Notice } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { Search } from "../ui/Search";
import { dueBefore, soonDays } from "./rotation";
import { SealingSettings } from "./SealingSettings";
import { SecretTable } from "./SecretTable";
import { StoreSecret } from "./StoreSecret";
import { t } from "../text/t";
import { usages } from "./usage";

const labelRule = /^([a-z][a-z0-9_.-]{0,62}(=[A-Za-z0-9_.-]{0,63})?)?$/;

/** The secrets of a workspace: search, store, and the actions on each. */
export function SecretsPage() {
  const { workspace } = useAccess();
  const [storing, setStoring] = useState(false);
  const [sealing, setSealing] = useState(false);
  const [params, change] = useParams();
  const rotation = params.get("rotation") ?? "";
  // All pages of a list use the same point in time, because their tokens depend on it.
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
    refetchInterval: ({ state }) => (state.data?.indexIncomplete ? 3000 : false),
  });
  useFirstAgain(pages, secrets.error);
  const list = inOrder(secrets.data?.secrets, filter.orderBy, !pages.token && !secrets.data?.nextPageToken);
  const filtered = Boolean(filter.query || filter.usage || filter.label || rotationDueBefore);
  const indexing = secrets.data?.indexIncomplete;
  const empty = list?.length === 0 && pages.number === 0 && !secrets.isPlaceholderData && !indexing;

  return (
    <div className="page">
      <header className="page-head">
        <div>
          <h1>{t("secrets.title")}</h1>
          <p className="dimmed">{t("secrets.words")}</p>
        </div>
        <div className="page-actions">
          <Button variant="default" leftSection={<ShieldCheckIcon size={16} />} onClick={() => setSealing(true)}>
            {t("sealing.title")}
          </Button>
          <Button leftSection={<PlusIcon size={16} />} onClick={() => setStoring(true)}>
            {t("secrets.store.title")}
          </Button>
        </div>
      </header>
      <div className="toolbar" role="search">
        <Search
          value={filter.query}
          onChange={(q) => change({ q })}
          label={t("ui.searchByName")}
          busy={secrets.isFetching && secrets.isPlaceholderData}
        />
        <Select
          aria-label={t("secrets.usage")}
          w={150}
          value={filter.usage ?? ""}
          onChange={(usage) => change({ usage: usage ?? "" })}
          data={[
            { value: "", label: t("secrets.allUses") },
            ...Object.entries(usages).map(([value, u]) => ({ value, label: `${u.name}s` })),
          ]}
        />
        <Select
          aria-label={t("secret.rotation")}
          w={196}
          value={rotationDueBefore ? rotation : ""}
          onChange={(choice) => change({ rotation: choice ?? "" })}
          data={[
            { value: "", label: t("secrets.anyRotation") },
            { value: "overdue", label: t("secrets.overdue") },
            { value: "soon", label: t("secrets.dueIn", { soonDays }) },
          ]}
        />
        <LabelFilter value={filter.label} onChange={(label) => change({ label })} />
      </div>
      <ProblemPanel error={secrets.error} onRetry={() => void secrets.refetch()} />
      {empty ? (
        filtered ? (
          <Empty
            icon={<SearchIcon size={26} />}
            title={t("ui.nothingFound")}
            action={
              <Button variant="default" onClick={() => change({ q: "", usage: "", label: "", rotation: "" })}>
                {t("secrets.showAll")}
              </Button>
            }
          >
            {t("secrets.noMatch")}
          </Empty>
        ) : (
          <EmptyWorkspace
            icon={<KeyIcon size={26} />}
            title={t("secrets.empty.title")}
            action={
              <Button leftSection={<PlusIcon size={16} />} onClick={() => setStoring(true)}>
                {t("secrets.store.title")}
              </Button>
            }
          >
            {t("secrets.empty.words")}
          </EmptyWorkspace>
        )
      ) : (
        !(secrets.error && !list) && (
          <>
            {indexing && <Notice>{t("secrets.indexing")}</Notice>}
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

/** Filters by label once the input is a valid label. */
function LabelFilter({ value, onChange }: { value: string; onChange: (label: string) => void }) {
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  const right = labelRule.test(typed);
  return (
    <TextInput
      aria-label={t("secrets.label")}
      className="label-filter"
      placeholder={t("secrets.labelPlaceholder")}
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
