import { Button, Select, TextInput } from "@mantine/core";
import { useEffect, useId, useRef, useState, type DragEvent } from "react";
import type { Generate_KindJson } from "../gen/keyward/vault/v1/resources_pb";
import { EyeIcon, EyeOffIcon, FileIcon, UploadIcon } from "../ui/icons";
import { t } from "../text/t";
import { kinds } from "./kinds";

interface MaskedProps {
  area: React.RefObject<HTMLTextAreaElement | null>;
  first?: boolean;
  invalid: boolean;
  size: number;
  onSize: (bytes: number) => void;
}

/** An input of several lines that shows its characters as dots until the user reveals them. Line ends survive a paste. */
export function Masked({ area, first, invalid, size, onSize }: MaskedProps) {
  const [shown, setShown] = useState(false);
  const hint = useId();
  const [blanks, setBlanks] = useState(false);
  useEffect(() => {
    const element = area.current;
    // Emptied before it is removed from the page, so that references to the element hold no value.
    return () => {
      if (element) element.value = "";
    };
  }, [area]);
  const measure = (element: HTMLTextAreaElement) => {
    onSize(new TextEncoder().encode(element.value).length);
    // A key in PEM ends with a line end, and may start with text before the header.
    setBlanks(/^\s|\s$/.test(element.value) && !/-----END [^-]+-----\s*$/.test(element.value));
  };
  return (
    <>
      <div className="masked" data-invalid={invalid || undefined}>
        <textarea
          ref={area}
          data-autofocus={first || undefined}
          aria-label={t("value.label")}
          aria-describedby={hint}
          aria-invalid={invalid || undefined}
          className={shown ? "shown" : undefined}
          rows={3}
          autoComplete="off"
          autoCorrect="off"
          autoCapitalize="off"
          spellCheck={false}
          data-1p-ignore=""
          data-lpignore="true"
          data-form-type="other"
          translate="no"
          onInput={(e) => measure(e.currentTarget)}
        />
        <Button
          size="compact-sm"
          variant="default"
          className="reveal"
          leftSection={shown ? <EyeOffIcon size={13} /> : <EyeIcon size={13} />}
          aria-pressed={shown}
          onClick={() => setShown(!shown)}
        >
          {shown ? t("value.hide") : t("value.show")}
        </Button>
      </div>
      <p className="field-hint" id={hint}>
        {size === 0 ? t("value.exact") : t("value.bytes", { count: size })}
        {blanks && <strong> {t("value.space")}</strong>}
      </p>
    </>
  );
}

export function FileDrop({ name, size, onFile }: { name: string; size: number; onFile: (file: File) => void }) {
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const [file] = event.dataTransfer.files;
    if (file) onFile(file);
  };
  const pick = (element: HTMLInputElement) => {
    const [file] = element.files ?? [];
    if (file) onFile(file);
    element.value = "";
  };
  return (
    <div
      className="drop"
      data-over={over || undefined}
      onDragOver={(e) => {
        e.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      {name ? (
        <p>
          <FileIcon size={16} /> <b className="wrap-anywhere">{name}</b>{" "}
          <span className="dimmed">{t("value.size", { size })}</span>
        </p>
      ) : (
        <p className="dimmed">
          <UploadIcon size={16} /> {t("value.drop")}
        </p>
      )}
      <Button size="xs" variant="default" onClick={() => input.current?.click()}>
        {name ? t("value.chooseOther") : t("value.choose")}
      </Button>
      <input
        ref={input}
        type="file"
        aria-label={t("value.fileLabel")}
        className="sr-only"
        tabIndex={-1}
        onChange={(e) => pick(e.currentTarget)}
      />
    </div>
  );
}

/** The password of a PKCS #12 file. Like a value, it is only in its input. */
export function FilePassword({ input }: { input: React.RefObject<HTMLInputElement | null> }) {
  useEffect(() => {
    const element = input.current;
    return () => {
      if (element) element.value = "";
    };
  }, [input]);
  return (
    <TextInput
      ref={input}
      type="password"
      label={t("value.password")}
      description={t("value.passwordHelp")}
      autoComplete="off"
      data-1p-ignore=""
      data-lpignore="true"
      maxLength={256}
    />
  );
}

export function Generated({ kind, onKind }: { kind: Generate_KindJson; onKind: (kind: Generate_KindJson) => void }) {
  const groups = [...new Set(kinds.map((k) => k.group))];
  const found = kinds.find((k) => k.kind === kind);
  return (
    <div className="generated">
      <Select
        aria-label={t("value.kind")}
        value={kind}
        onChange={(k) => k && onKind(k)}
        data={groups.map((group) => ({
          group,
          items: kinds.filter((k) => k.group === group).map((k) => ({ value: k.kind, label: k.name })),
        }))}
      />
      <p className="field-hint">{t("value.generates", { words: found?.words })}</p>
    </div>
  );
}
