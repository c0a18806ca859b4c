import { Button, Group, TextInput } from "@mantine/core";
import { useState } from "react";
import { useAccess } from "../api/access";
import type { Problem } from "../api/problem";
import { shape } from "../gen/shape";
import { DateInput } from "../shape/DateInput";
import { Words } from "../shape/Help";
import { collect, withField, type Json } from "../shape/value";
import { AlertIcon } from "../ui/icons";
import { Notice } from "../ui/parts";
import "./allowlist.css";
import { inAYear } from "./presets";
import { rich, t } from "../text/t";
import { flagWords } from "./words";

const flags = () => shape.enums["keyward.allowlist.v1.LegacyAcknowledgement.Flag"]?.values ?? [];

/** The meaning of an unsafe choice, from the proto, without the name of the choice at its start. */
export const flagMeaning = (flag: string): string =>
  (flags().find((f) => f.name === flag)?.words ?? "").replace(`${flagWords(flag)}. `, "");

type Direction = "request" | "response";

/** An unsafe choice that is not acknowledged, with the directions that it applies to. */
export interface Missing {
  flag: string;
  directions: Direction[];
}

/** Unsafe choices that only a super admin may acknowledge: they break the promise that a key cannot be read. */
export const ofSuperAdmins = (flag: string): boolean =>
  flag === "FLAG_CONFLICTING_KEY_USES" || flag === "FLAG_ISSUED_UNSIGNED";

/** The unsafe choices that the server rejected and that are still not acknowledged. */
export function missingFlags(problem: Problem | undefined, encryption: Json): Missing[] {
  const missing: Missing[] = [];
  for (const { field, description } of problem?.violations ?? []) {
    const direction = /^endpoint\.encryption\.(request|response)\.allow_legacy$/.exec(field)?.[1] as
      Direction | undefined;
    const flag = flags().find(
      (f) => f.name.replace(/^FLAG_/, "") === /acknowledge ([A-Z0-9_]+)/.exec(description)?.[1],
    )?.name;
    if (!direction || !flag || acknowledged(encryption, direction).some((l) => l.flag === flag)) continue;
    const known = missing.find((m) => m.flag === flag);
    if (known) known.directions.push(direction);
    else missing.push({ flag, directions: [direction] });
  }
  return missing;
}

const acknowledged = (encryption: Json, direction: Direction): Json[] =>
  ((encryption[direction] as Json | undefined)?.allowLegacy ?? []) as Json[];

function acknowledge(encryption: Json, { flag, directions }: Missing, reason: string, expireTime: string): Json {
  return directions.reduce(
    (next, direction) =>
      withField(
        next,
        direction,
        withField((next[direction] ?? {}) as Json, "allowLegacy", [
          ...acknowledged(next, direction),
          { flag, reason, expireTime },
        ]),
      ),
    encryption,
  );
}

/** Lets the user acknowledge the choices that the server found unsafe, with a reason and an end date. */
export function Acknowledge({
  problem,
  encryption,
  onChange,
}: {
  problem: Problem | undefined;
  encryption: Json;
  onChange: (encryption: Json) => void;
}) {
  const { admin } = useAccess();
  const [asked, setAsked] = useState<string>();
  const missing = missingFlags(problem, encryption);
  if (missing.length === 0) return null;
  return (
    <Notice tone="warn" icon={<AlertIcon size={18} />} title={t("ack.title")}>
      <p>{t("ack.words")}</p>
      <ul className="unsafe-choices">
        {missing.map((m, i) => (
          <li key={m.flag} data-path={`endpoint.encryption.${m.directions[0]}.allow_legacy`}>
            <p>
              {rich(m.directions[0] === "response" ? "ack.choiceInResponses" : "ack.choice", {
                flag: flagWords(m.flag),
                meaning: <Words text={flagMeaning(m.flag)} />,
              })}
            </p>
            {ofSuperAdmins(m.flag) && !admin ? (
              <p>{t("ack.askAdmin")}</p>
            ) : asked === m.flag ? (
              <Answer
                flag={m.flag}
                before={String(collect(encryption, "reason").at(-1) ?? "")}
                onAnswer={(reason, expireTime) => {
                  setAsked(missing[i + 1]?.flag);
                  onChange(acknowledge(encryption, m, reason, expireTime));
                }}
              />
            ) : (
              <Button
                size="xs"
                variant="default"
                aria-label={t("ack.openFor", { flagWords: flagWords(m.flag) })}
                onClick={() => setAsked(m.flag)}
              >
                {t("ack.open")}
              </Button>
            )}
          </li>
        ))}
      </ul>
    </Notice>
  );
}

/** Asks for the reason and the end date of an acknowledgement. `before` is the reason for another choice. */
export function Answer({
  flag,
  before,
  onAnswer,
}: {
  flag: string;
  before: string;
  onAnswer: (reason: string, expireTime: string) => void;
}) {
  const [reason, setReason] = useState(before);
  const [until, setUntil] = useState<unknown>(inAYear);
  const ready = reason.trim() !== "" && typeof until === "string";
  const answer = (form: HTMLFormElement | null) => {
    // The pressed button disappears, and saving is the next step.
    form?.querySelector<HTMLElement>("[type=submit]")?.focus();
    onAnswer(reason.trim(), String(until));
  };
  return (
    <div className="two unsafe-fields" role="group" aria-label={t("ack.dialogTitle", { flagWords: flagWords(flag) })}>
      <TextInput
        label={t("ui.reason")}
        withAsterisk
        maxLength={512}
        value={reason}
        autoFocus
        onChange={(e) => setReason(e.currentTarget.value)}
        onKeyDown={(e) => {
          if (e.key !== "Enter") return;
          // Enter must not submit the form around this field.
          e.preventDefault();
          if (ready) answer(e.currentTarget.form);
        }}
      />
      <Group align="end" gap="xs" wrap="nowrap">
        <DateInput
          field={{ name: "expire_time", json: "expireTime", words: "", required: true }}
          title={t("ack.until")}
          value={until}
          onChange={setUntil}
          path=""
        />
        <Button variant="default" disabled={!ready} onClick={(e) => answer(e.currentTarget.form)}>
          {t("ack.submit")}
        </Button>
      </Group>
    </div>
  );
}
