import { Button } from "@mantine/core";
import { useState } from "react";
import { useViolation } from "../shape/violations";
import type { Json } from "../shape/value";
import { Answer } from "./Acknowledge";
import { t } from "../text/t";
import {
  acknowledgementOf,
  acknowledgePublic,
  isAcknowledged,
  literalAt,
  mayBePublic,
  publicLiteral,
} from "./publicLiteral";

interface Props {
  /** The field of the literal. */
  path: string;
  encryption: Json;
  onChange: (encryption: Json) => void;
}

/** Offers, at the input of a literal, to acknowledge that it is public, after the server refused it. */
export function PublicLiteral({ path, encryption, onChange }: Props) {
  const violation = useViolation(path);
  const [asked, setAsked] = useState(false);
  const literal = literalAt(path);
  if (!literal || !mayBePublic(violation)) return null;
  if (isAcknowledged(encryption, literal)) return <p className="field-hint beside">{t("public.acknowledged")}</p>;
  return (
    <div className="beside">
      {asked ? (
        <Answer
          flag={publicLiteral}
          before={String(acknowledgementOf(encryption, literal.direction)?.reason ?? "")}
          onAnswer={(reason, expireTime) => {
            setAsked(false);
            onChange(acknowledgePublic(encryption, literal, reason, expireTime));
          }}
        />
      ) : (
        <Button size="xs" variant="default" onClick={() => setAsked(true)}>
          {t("public.acknowledge")}
        </Button>
      )}
    </div>
  );
}
