import { Loader } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { placeWords } from "../allowlist/ViolationSummary";
import { checkKeys } from "../api/allowlist";
import { idOf } from "../api/names";
import { explain, problemOf } from "../api/problem";
import type { EndpointJson } from "../gen/keyward/allowlist/v1/resources_pb";
import type { KeyFitJson } from "../gen/keyward/allowlist/v1/service_pb";
import { AlertIcon, ShieldCheckIcon } from "../ui/icons";
import { rich, t } from "../text/t";
import { Notice } from "../ui/parts";

interface Props {
  name: string;
  /** The endpoint in a form; if undefined, the saved one. */
  endpoint?: EndpointJson;
  /** A body for the round trip, in base64. */
  sample?: string;
  /** Identifies a check. */
  run: number;
}

/** Whether the endpoint's own keys fit, in addition to the test with throwaway keys. */
export function KeysFit({ name, endpoint, sample, run }: Props) {
  const check = useQuery({
    queryKey: ["fit", name, run],
    queryFn: ({ signal }) => checkKeys(name, { endpoint, sample }, signal),
    retry: false,
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (check.isPending) return <Loader size="xs" role="status" aria-label={t("keysFit.checking")} />;
  if (check.error) {
    const problem = problemOf(check.error);
    const { title, text } = explain(problem);
    const misfit = problem.reason.startsWith("KEY_");
    return (
      <Notice
        tone={misfit ? "bad" : "warn"}
        icon={<AlertIcon size={18} />}
        title={misfit ? t("keysFit.no") : t("keysFit.unchecked")}
      >
        <p>
          {title}. {text}
        </p>
        <Violations list={problem.violations} />
      </Notice>
    );
  }
  const { fits, keys = [], roundTrip } = check.data;
  if (!fits) {
    return (
      <Notice tone="bad" icon={<AlertIcon size={18} />} title={t("keysFit.no")}>
        <Fits keys={keys} />
      </Notice>
    );
  }
  if (keys.length === 0) return null;
  return (
    <Notice
      tone="good"
      icon={<ShieldCheckIcon size={18} />}
      title={keys.length === 1 ? t("keysFit.one") : t("keysFit.many")}
    >
      {(keys.length > 1 || keys.some((k) => k.note)) && <Fits keys={keys} />}
      <p>{roundTrip ? t("keysFit.roundTrip") : t("keysFit.kind")}</p>
    </Notice>
  );
}

/** The check of each key: its name and path, whether it fits, and why not. */
export function Fits({ keys }: { keys: KeyFitJson[] }) {
  return (
    <ul className="violation-list">
      {keys.map((k) => (
        <li key={k.field}>
          {rich("keysFit.fit", {
            secret: idOf(k.secret),
            place: placeWords(k.field ?? ""),
            cause: k.cause || k.note || t("keysFit.fits"),
            strong: (c) => <b className="mono wrap-anywhere">{c}</b>,
          })}{" "}
          {k.decoding && <>{rich("keysFit.decoding", { decoding: k.decoding })}</>}
        </li>
      ))}
    </ul>
  );
}

function Violations({ list }: { list: { field: string; description: string }[] }) {
  if (list.length === 0) return null;
  return (
    <ul className="violation-list">
      {list.map((v) => (
        <li key={v.field + v.description}>
          <b>{placeWords(v.field)}</b> {v.description}
        </li>
      ))}
    </ul>
  );
}
