import { Loader } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { placeWords } from "../allowlist/FindingSummary";
import { checkKeys } from "../api/allowlist";
import { idOf } from "../api/names";
import { explain, problemOf } from "../api/problem";
import type { EndpointJson } from "../gen/keyward/allowlist/v1/resources_pb";
import type { KeyFitJson } from "../gen/keyward/allowlist/v1/service_pb";
import { AlertIcon, ShieldCheckIcon } from "../ui/icons";
import { Notice } from "../ui/parts";

interface Props {
  name: string;
  /** The endpoint on a form. Without: what is saved. */
  endpoint?: EndpointJson;
  /** A body for the round trip, in base64. */
  sample?: string;
  /** Tells one check from the next. */
  run: number;
}

/** Whether the endpoint's own keys can work, beside what throw-away keys have shown. */
export function KeysFit({ name, endpoint, sample, run }: Props) {
  const check = useQuery({
    queryKey: ["fit", name, run],
    queryFn: ({ signal }) => checkKeys(name, { endpoint, sample }, signal),
    retry: false,
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (check.isPending) return <Loader size="xs" role="status" aria-label="Checking your keys" />;
  if (check.error) {
    const problem = problemOf(check.error);
    const { title, text } = explain(problem);
    const misfit = problem.reason.startsWith("KEY_");
    return (
      <Notice
        tone={misfit ? "bad" : "warn"}
        icon={<AlertIcon size={18} />}
        title={misfit ? "Your key does not fit" : "Your key was not checked"}
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
      <Notice tone="bad" icon={<AlertIcon size={18} />} title="Your key does not fit">
        <Fits keys={keys} />
      </Notice>
    );
  }
  if (keys.length === 0) return null;
  return (
    <Notice
      tone="good"
      icon={<ShieldCheckIcon size={18} />}
      title={keys.length === 1 ? "Your key fits" : "Your keys fit"}
    >
      {(keys.length > 1 || keys.some((k) => k.note)) && <Fits keys={keys} />}
      <p>
        {roundTrip
          ? "A message went through with the stored keys."
          : "The stored keys are of the right kind and size. They make a message when the endpoint is activated."}
      </p>
    </Notice>
  );
}

/** What is known of keys: which, where, and whether each fits, or why not and what to do. */
export function Fits({ keys }: { keys: KeyFitJson[] }) {
  return (
    <ul className="finding-list">
      {keys.map((k) => (
        <li key={k.field}>
          <b className="mono wrap-anywhere">{idOf(k.secret)}</b> at {placeWords(k.field ?? "")}:{" "}
          {k.cause || k.note || "fits."}{" "}
          {k.decoding && (
            <>
              Stored as <b>{k.decoding}</b> fits.
            </>
          )}
        </li>
      ))}
    </ul>
  );
}

function Violations({ list }: { list: { field: string; description: string }[] }) {
  if (list.length === 0) return null;
  return (
    <ul className="finding-list">
      {list.map((v) => (
        <li key={v.field + v.description}>
          <b>{placeWords(v.field)}</b> {v.description}
        </li>
      ))}
    </ul>
  );
}
