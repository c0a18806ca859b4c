import { SegmentedControl, TextInput } from "@mantine/core";
import { useEffect, useId, useImperativeHandle, useRef, useState, useSyncExternalStore, type Ref } from "react";
import type { Problem } from "../api/problem";
import type { Generate_KindJson, SecretValueJson } from "../gen/keyward/vault/v1/resources_pb";
import { base64 } from "../api/base64";
import { session } from "../session/session";
import { CopyBlock } from "../ui/Copy";
import { DiceIcon, FileIcon, PencilIcon } from "../ui/icons";
import { kinds } from "./kinds";
import { seal, type Place, type Plain } from "./seal";
import { SealHint, SealedNote, UnsealableNote } from "./SealNotes";
import { type Ability, unsealable, useSealing } from "./sealing";
import type { KnownUsage } from "./usage";
import { FileDrop, FilePassword, Generated, Masked } from "./ValueInputs";
import { rich, t } from "../text/t";
import { commandIn, isPkcs12, startOf, valueError } from "./values";

/** The size limit of a value, in bytes. */
const limit = 64 * 1024;

/** A value in the form of the API, and the ID of the only request that may send it. */
export interface Taken {
  value: SecretValueJson;
  requestId: string;
}

/** How a form reads the value and clears it from the page. */
export interface ValueHandle {
  /**
   * Returns the value for a secret, by its resource name. Typed or uploaded input is sealed and removed from the page;
   * the sealed value is cached and returned again, so that a retry sends the same bytes. Returns undefined if there is
   * no value; the field then shows why.
   */
  take: (secret: string) => Promise<Taken | undefined>;
  /** Whether a value is already sealed for a secret. */
  holds: (secret: string) => boolean;
  /** Clears everything that was typed, dropped, or sealed. */
  clear: () => void;
}

type Way = "text" | "file" | "generate";

interface Sealed extends Taken {
  secret: string;
  size: number;
}

interface Props {
  ref: Ref<ValueHandle>;
  problem?: Problem;
  /** The usage, which decides the first kind in the list. */
  favour: KnownUsage | undefined;
  /** Whether the dialog starts here, with the focus. */
  first?: boolean;
  /** Called when a value is entered and when the field becomes empty. */
  onFill?: (some: boolean) => void;
}

/**
 * The field to type, drop, or generate a value. The value is only in the text area or the file, never in React's state,
 * so no copy can be left behind.
 */
export function ValueField({ ref, problem, favour, first, onFill }: Props) {
  const [way, setWay] = useState<Way>("text");
  const [kind, setKind] = useState<Generate_KindJson>();
  const [size, setSize] = useState(0);
  const area = useRef<HTMLTextAreaElement>(null);
  const file = useRef<File>(undefined);
  const [fileName, setFileName] = useState("");
  // The password of a PKCS #12 file is only in its input.
  const password = useRef<HTMLInputElement>(null);
  const [locked, setLocked] = useState(false);
  const group = useRef<HTMLDivElement>(null);
  const [reason, setReason] = useState("");
  const [said, setSaid] = useState<string>();
  const [sealed, setSealed] = useState<Sealed>();
  const [bypassed, setBypassed] = useState(false);
  const sealing = useSealing();
  const obstacle = unsealable(sealing);
  const error = said ?? valueError(problem);
  const command = said ? undefined : commandIn(problem);
  // Asks about a weak key after the vault rejected it.
  const [weak, setWeak] = useState(false);
  if (!weak && error?.includes("weak_reason")) setWeak(true);
  if (!locked && problem?.metadata.form === "PKCS12_PASSWORD") setLocked(true);
  const chosen =
    kind ??
    kinds.find((k) => k.for === (favour === "USAGE_EXPOSED_KEY" ? "USAGE_KEY" : favour))?.kind ??
    "KIND_AES_256";

  /** Clears the value from the page. */
  const empty = () => {
    if (area.current) area.current.value = "";
    file.current = undefined;
    setFileName("");
    setSize(0);
  };
  const clear = () => {
    empty();
    if (password.current) password.current.value = "";
    setLocked(false);
    setSealed(undefined);
    setSaid(undefined);
    setBypassed(false);
    onFill?.(false);
  };
  const fill = (bytes: number) => {
    setSize(bytes);
    setSaid(undefined);
    onFill?.(bytes > 0);
  };
  const say = (words: string) => {
    setSaid(words);
    (area.current ?? group.current)?.focus();
  };
  const read = async (): Promise<Plain | undefined> => {
    if (way === "file") return file.current && { bytes: new Uint8Array(await file.current.arrayBuffer()), text: false };
    return area.current?.value ? { bytes: new TextEncoder().encode(area.current.value), text: true } : undefined;
  };
  /** The plain value in the API's form, after the user chose to send it unsealed. */
  const unsealed = ({ bytes, text }: Plain): SecretValueJson =>
    text ? { text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes) } : { data: base64(bytes) };
  const sealFor = async (
    place: Place,
    plain: Plain,
    { key, sealing: { time = "" } }: Ability,
  ): Promise<Sealed | undefined> => {
    try {
      return key && { ...place, value: { sealed: await seal(plain, key, time, place) }, size: plain.bytes.length };
    } catch {
      return undefined; // a key that is not a point on the curve
    }
  };

  useImperativeHandle(ref, () => ({
    clear,
    holds: (secret) => sealed?.secret === secret,
    take: async (secret) => {
      setSaid(undefined);
      const requestId = crypto.randomUUID();
      const why = {
        ...(weak && reason && { weakReason: reason }),
        ...(locked && password.current?.value && { filePassword: password.current.value }),
      };
      if (way === "generate") return { requestId, value: { generate: { kind: chosen } } };
      if (sealed?.secret === secret) return { ...sealed, value: { ...sealed.value, ...why } };
      if (sealed) {
        clear();
        say(t("value.otherName"));
        return undefined;
      }
      const plain = await read();
      if (!plain?.bytes.length) {
        say(t("value.missing"));
        return undefined;
      }
      if (plain.bytes.length > limit) return undefined; // the field shows why
      // The keys, the vault's clock, and the workspace's requirement are read for each value.
      const now = await sealing.refetch();
      const still = unsealable(now);
      const open = still?.required === false && bypassed ? unsealed(plain) : undefined;
      const made = still || !now.data ? undefined : await sealFor({ secret, requestId }, plain, now.data);
      plain.bytes.fill(0);
      if (open) return { requestId, value: { ...open, ...why } };
      if (!made) {
        say(t("value.notSealed"));
        return undefined;
      }
      empty();
      setSealed(made);
      return { ...made, value: { ...made.value, ...why } };
    },
  }));

  // A sealed value that the vault rejected cannot be used again.
  const refused = problem?.reason === "SEALED_VALUE_REFUSED";
  useEffect(() => {
    if (refused) setSealed(undefined);
  }, [refused, problem]);

  // A page left unattended must not show a value when the session resumes.
  const phase = useSyncExternalStore(session.subscribe, session.getPhase);
  const over = phase.is !== "in";
  useEffect(() => {
    if (over) clear();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- clear is a new function at each rendering
  }, [over]);

  const label = useId();
  return (
    <div ref={group} className="field" role="group" aria-labelledby={label} tabIndex={-1}>
      <div className="field-head">
        <span className="field-label" id={label}>
          {t("params.value")}
        </span>
        <SegmentedControl
          size="xs"
          aria-label={t("value.source")}
          value={way}
          onChange={(v) => {
            clear();
            setWay(v as Way);
          }}
          data={ways}
        />
      </div>
      {way === "generate" && <Generated kind={chosen} onKind={setKind} />}
      {way !== "generate" && sealed && (
        <SealedNote size={sealed.size} keyId={sealed.value.sealed?.keyId ?? ""} onOther={clear} />
      )}
      {way === "text" && !sealed && (
        <Masked area={area} first={first} invalid={Boolean(error)} size={size} onSize={fill} />
      )}
      {way === "file" && !sealed && (
        <FileDrop
          name={fileName}
          size={size}
          onFile={(f) => {
            file.current = f;
            setFileName(f.name);
            fill(f.size);
            void startOf(f).then((start) => setLocked(isPkcs12(start)));
          }}
        />
      )}
      {way !== "generate" &&
        !sealed &&
        (obstacle ? (
          <UnsealableNote
            obstacle={obstacle}
            accepted={bypassed}
            onAccept={setBypassed}
            onRetry={() => void sealing.refetch()}
          />
        ) : (
          <SealHint ability={sealing.data} />
        ))}
      {size > limit && <p className="field-error">{t("value.tooLarge", { size: Math.ceil(size / 1024) })}</p>}
      {way === "file" && locked && <FilePassword input={password} />}
      {error && (
        <p className="field-error" role="alert">
          {error}
        </p>
      )}
      {command && <CopyBlock text={command} what={t("value.commandWhat")} />}
      {way !== "generate" && !sealed && (
        <p className="field-hint">{rich("value.writeOnly", { strong: (c) => <strong>{c}</strong> })}</p>
      )}
      {weak && way !== "generate" && (
        <TextInput
          label={t("value.weak")}
          description={t("value.weakHelp")}
          maxLength={512}
          autoComplete="off"
          value={reason}
          onChange={(e) => setReason(e.currentTarget.value)}
        />
      )}
    </div>
  );
}

const ways = [
  {
    value: "text",
    label: (
      <span className="way">
        <PencilIcon size={13} />
        {t("value.type")}
      </span>
    ),
  },
  {
    value: "file",
    label: (
      <span className="way">
        <FileIcon size={13} />
        {t("value.file")}
      </span>
    ),
  },
  {
    value: "generate",
    label: (
      <span className="way">
        <DiceIcon size={13} />
        {t("value.generate")}
      </span>
    ),
  },
];
