import { Button, Menu, Select, Skeleton, TextInput } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { parseName } from "../api/names";
import type { Page } from "../api/vault";
import { Link } from "../app/Link";
import { paths } from "../app/router";
import {
  AlertIcon,
  ClockIcon,
  DownloadIcon,
  FlameIcon,
  KeyIcon,
  LinkIcon,
  PauseIcon,
  PencilIcon,
  PlayIcon,
  PlusIcon,
  SearchIcon,
  ShieldCheckIcon,
  TrashIcon,
  UndoIcon,
  UnlinkIcon,
} from "../ui/icons";
import { byName } from "../ui/order";
import { Empty } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { Time } from "../ui/Time";
import { toast } from "../ui/toast";
import { useAction } from "../ui/useAction";
import { rich, t } from "../text/t";
import { actionOf, actorOf, diffsOf, haystack, resourceOf, titleOf, toCsv, type Change, type Mark } from "./change";

type Lister = (
  name: string,
  page: Page,
  signal?: AbortSignal,
) => Promise<{ changes?: unknown[]; nextPageToken?: string }>;

interface Props {
  /** The resource, or all of a workspace, such as `workspaces/demo/secrets/-`. */
  name: string;
  /** The name of an exported file. */
  file: string;
  list: Lister;
  /** Whether entries belong to several resources, and name them. */
  many?: boolean;
}

const pageSize = 100;
/** The limit of an export, so that a page never holds a complete log. */
const exportLimit = 20_000;

/** A change log as a timeline, newest first. */
export function History({ name, file, list, many }: Props) {
  const [action, setAction] = useState("");
  const [text, setText] = useState("");
  const log = useInfiniteQuery({
    queryKey: ["history", name],
    queryFn: ({ pageParam, signal }) => list(name, { pageSize, pageToken: pageParam }, signal),
    initialPageParam: "",
    getNextPageParam: (last) => last.nextPageToken || undefined,
  });
  const changes = (log.data?.pages ?? []).flatMap((p) => (p.changes ?? []) as Change[]);
  const wanted = (c: Change) => (!action || c.action === action) && (!text || haystack(c).includes(text.toLowerCase()));
  const shown = changes.filter(wanted);
  const kinds = [...new Set(changes.map((c) => c.action ?? ""))]
    .map((value) => ({ value, label: actionOf(value).words }))
    .sort((a, b) => byName(a.label, b.label));

  return (
    <section aria-label={t("ui.changeLogs")} className="history">
      <div className="toolbar">
        <TextInput
          className="search"
          type="search"
          aria-label={t("history.filter")}
          placeholder={t("history.filterPlaceholder")}
          leftSection={<SearchIcon size={16} />}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
        />
        <Select
          aria-label={t("history.action")}
          w={230}
          value={action}
          onChange={(a) => setAction(a ?? "")}
          data={[{ value: "", label: t("history.allChanges") }, ...kinds]}
        />
        <Export name={name} file={file} list={list} wanted={wanted} disabled={changes.length === 0} />
      </div>
      <ProblemPanel error={log.error} onRetry={() => void log.refetch()} />
      {log.isPending && <Skeleton height={220} />}
      {log.data && shown.length === 0 && (
        <Empty
          icon={<ClockIcon size={26} />}
          title={changes.length === 0 ? t("history.empty.title") : t("history.noMatch.title")}
        >
          {changes.length === 0
            ? t("history.empty.words")
            : log.hasNextPage
              ? t("history.noMatch.loaded")
              : t("history.noMatch.words")}
        </Empty>
      )}
      <ol className="timeline">
        {shown.map((c) => (
          <Entry key={`${c.sequence}`} change={c} many={many} />
        ))}
      </ol>
      {log.hasNextPage && (
        <div className="more">
          <Button variant="default" loading={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>
            {t("history.older")}
          </Button>
        </div>
      )}
    </section>
  );
}

const marks: Record<Mark, typeof ClockIcon> = {
  add: PlusIcon,
  edit: PencilIcon,
  remove: TrashIcon,
  link: LinkIcon,
  unlink: UnlinkIcon,
  proof: ShieldCheckIcon,
  on: PlayIcon,
  off: PauseIcon,
  warn: AlertIcon,
  look: SearchIcon,
  restore: UndoIcon,
  destroy: FlameIcon,
  key: KeyIcon,
  other: ClockIcon,
};

function Entry({ change, many }: { change: Change; many?: boolean }) {
  const { mark, tone } = actionOf(change.action);
  const Icon = marks[mark];
  const diffs = diffsOf(change);
  const related = [...(change.referrers ?? []), ...(change.secrets ?? [])];
  const roles = change.actor?.roles
    ?.filter((r) => r !== "resolver")
    .join(", ")
    .replaceAll("_", " ");
  return (
    <li className={`entry ${tone}`}>
      <span className="entry-mark">
        <Icon size={14} />
      </span>
      <div className="entry-head">
        <strong>{titleOf(change)}</strong>
        {many && <ResourceLink name={resourceOf(change)} />}
        <span className="entry-time">
          <Time value={change.time} />
        </span>
      </div>
      <p className="entry-who">
        <b dir="auto" data-hint={change.actor?.subject}>
          {actorOf(change)}
        </b>
        {roles && <span className="dimmed"> {t("history.as", { roles })}</span>}
        {change.actor?.address && (
          <span className="dimmed"> {t("history.from", { address: change.actor.address })}</span>
        )}
      </p>
      {change.reason && <blockquote dir="auto">{change.reason}</blockquote>}
      {diffs.length > 0 && (
        <dl className="diffs">
          {diffs.map((d) => (
            <div key={d.field}>
              <dt>{d.field}</dt>
              <dd>
                {d.from && <del dir="auto">{d.from}</del>}
                {d.from && <span aria-hidden="true">→</span>}
                {d.to ? <ins dir="auto">{d.to}</ins> : <span className="dimmed">{t("history.nothing")}</span>}
              </dd>
            </div>
          ))}
        </dl>
      )}
      {related.length > 0 && (
        <p className="entry-related">
          {change.secrets?.length ? t("history.refersTo") : t("history.for")}{" "}
          {related.map((name) => (
            <ResourceLink key={name} name={name} />
          ))}
        </p>
      )}
      <p className="request-id dimmed">
        {t("history.change", { sequence: Number(change.sequence ?? 0) })}
        {change.requestId && (
          <>
            {" · "}
            {rich("history.request", { requestId: change.requestId })}
          </>
        )}
      </p>
    </li>
  );
}

function ResourceLink({ name }: { name: string }) {
  const parsed = parseName(name);
  if (!parsed) return <span className="mono wrap-anywhere">{name}</span>;
  const to =
    parsed.collection === "secrets"
      ? paths.secret(parsed.workspace, parsed.id)
      : paths.endpoint(parsed.workspace, parsed.id);
  return (
    <Link to={to} className="mono wrap-anywhere">
      {parsed.id}
    </Link>
  );
}

interface ExportProps {
  name: string;
  file: string;
  list: Lister;
  wanted: (change: Change) => boolean;
  disabled: boolean;
}

/** Writes all entries that match the filter to a file, including older pages. */
function Export({ name, file, list, wanted, disabled }: ExportProps) {
  const { run, busy, error } = useAction();
  const save = (format: "csv" | "json") =>
    run(async () => {
      const found: Change[] = [];
      let pageToken = "";
      let read = 0;
      do {
        const page = await list(name, { pageSize: 1000, pageToken });
        const changes = (page.changes ?? []) as Change[];
        read += changes.length;
        found.push(...changes.filter(wanted));
        pageToken = page.nextPageToken ?? "";
      } while (pageToken && read < exportLimit);
      const text = format === "csv" ? toCsv(found) : `${JSON.stringify(found, null, 2)}\n`;
      download(`${file}.${format}`, format === "csv" ? "text/csv" : "application/json", text);
      toast(t(pageToken ? "history.exportedPart" : "history.exported", { count: found.length, limit: exportLimit }));
    });
  return (
    <>
      <Menu width={180}>
        <Menu.Target>
          <Button variant="default" leftSection={<DownloadIcon size={16} />} loading={busy} disabled={disabled}>
            {t("history.export")}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => void save("csv")}>{t("history.csv")}</Menu.Item>
          <Menu.Item onClick={() => void save("json")}>{t("history.json")}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <ProblemPanel error={error} />
    </>
  );
}

function download(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
