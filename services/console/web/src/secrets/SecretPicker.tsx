import { Button, Combobox, Input, Loader, TextInput, useCombobox } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useDeferredValue, useId, useState } from "react";
import { useAccess } from "../api/access";
import { idOf } from "../api/names";
import { listSecrets } from "../api/vault";
import type { SecretJson } from "../gen/keyward/vault/v1/resources_pb";
import type { StoredValue } from "../shape/decoding";
import { ChevronDownIcon, KeyIcon, PlusIcon } from "../ui/icons";
import { inOrder } from "../ui/order";
import { StoreSecret } from "./StoreSecret";
import { SecretTags } from "./tags";
import { t } from "../text/t";
import { storable, usages, type KnownUsage } from "./usage";

interface Props {
  /** The resource name of the selected secret. */
  value: string | undefined;
  /** Called with the selection, and with the value if it was just stored from here. */
  onChange: (name: string, stored?: StoredValue) => void;
  label: string;
  /** The only usage that fits here. */
  usage: KnownUsage;
  /** For a credential: the host that receives it, which it must allow. */
  host?: string;
  error?: string;
}

/**
 * Selects a stored secret by name. This is the only way to give a key: a new secret can be stored from here, and a
 * value cannot be typed.
 */
export function SecretPicker({ value, onChange, label, usage, host, error }: Props) {
  const { workspace, admin } = useAccess();
  const [typed, setTyped] = useState("");
  const [storing, setStoring] = useState(false);
  const query = useDeferredValue(typed);
  const combobox = useCombobox({
    onDropdownClose: () => setTyped(""),
    onDropdownOpen: () => combobox.focusSearchInput(),
  });
  const found = useQuery({
    queryKey: ["secrets", workspace, "pick", usage, query],
    queryFn: ({ signal }) => listSecrets(workspace, { query, usage, pageSize: 20 }, signal),
    enabled: combobox.dropdownOpened,
    placeholderData: (before) => before,
    refetchInterval: ({ state }) => (state.data?.indexIncomplete ? 3000 : false),
  });
  const errorId = useId();
  const invitation = t("picker.choose", { name: usages[usage].inline });
  const choose = (name: string) => {
    combobox.closeDropdown();
    if (name === "") setStoring(true);
    else onChange(name);
  };
  return (
    <div className="picker">
      <Combobox store={combobox} onOptionSubmit={choose} width="target" position="bottom-start">
        <Combobox.Target targetType="button">
          <button
            type="button"
            className="picker-button"
            aria-label={`${label}: ${value ? idOf(value) : invitation}`}
            aria-describedby={error ? errorId : undefined}
            data-invalid={error ? true : undefined}
            onClick={() => combobox.toggleDropdown()}
          >
            <KeyIcon size={16} />
            {value ? (
              <span className="ellipsis mono">{idOf(value)}</span>
            ) : (
              <span className="ellipsis placeholder">{invitation}</span>
            )}
            <ChevronDownIcon size={14} />
          </button>
        </Combobox.Target>
        <Combobox.Dropdown role="dialog" aria-label={t("picker.title")}>
          {combobox.dropdownOpened && (
            <Combobox.Search
              component={TextInput}
              value={typed}
              onChange={(e) => setTyped(e.currentTarget.value)}
              aria-label={t("picker.search")}
              placeholder={t("ui.searchByName")}
              maxLength={128}
              rightSection={found.isFetching && <Loader size={14} />}
            />
          )}
          <Combobox.Options aria-label={t("secrets.title")} className="picker-options">
            {inOrder(found.data?.secrets, "name", true)?.map((s) => (
              <SecretOption key={s.uid} secret={s} host={host} active={s.name === value} />
            ))}
            {found.data?.indexIncomplete && <Combobox.Empty>{t("picker.indexing")}</Combobox.Empty>}
            {found.data?.secrets?.length === 0 && !found.data.indexIncomplete && (
              <Combobox.Empty>
                {typed ? t("picker.noMatch") : t("picker.none", { name: usages[usage].inline })}
              </Combobox.Empty>
            )}
            {found.error && <Combobox.Empty>{t("picker.failed")}</Combobox.Empty>}
          </Combobox.Options>
          <Combobox.Footer>
            {storable(admin).includes(usage) ? (
              <Button
                fullWidth
                size="xs"
                variant="light"
                leftSection={<PlusIcon size={14} />}
                onClick={() => choose("")}
              >
                {t("picker.store")}
              </Button>
            ) : (
              <span className="field-hint">{t("picker.admin")}</span>
            )}
          </Combobox.Footer>
        </Combobox.Dropdown>
      </Combobox>
      {error && (
        <Input.Error id={errorId} role="alert">
          {error}
        </Input.Error>
      )}
      {storing && (
        <StoreSecret
          onClose={() => setStoring(false)}
          usage={usage}
          host={host}
          onStored={(s, generated) => s.name && onChange(s.name, { facts: s.valueFacts, generated })}
        />
      )}
    </div>
  );
}

function SecretOption({ secret, host, active }: { secret: SecretJson; host?: string; active: boolean }) {
  const foreign = host !== undefined && !(secret.allowedHosts ?? []).includes(host);
  return (
    <Combobox.Option value={secret.name ?? ""} active={active} disabled={foreign}>
      <div className="option">
        <span className="mono wrap-anywhere">{idOf(secret.name)}</span>
        <span className="row-tags">
          <SecretTags secret={secret} />
        </span>
        <small dir="auto">
          {foreign ? (host ? t("picker.foreign", { host }) : t("picker.foreignUnnamed")) : secret.description}
        </small>
      </div>
    </Combobox.Option>
  );
}
