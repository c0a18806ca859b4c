import type {
  CheckKeysRequestJson,
  CheckKeysResponseJson,
  DiagnoseSampleRequestJson,
  DiagnoseSampleResponseJson,
  ListEndpointHistoryResponseJson,
  ListEndpointsResponseJson,
  ListPresetsResponseJson,
  RebindEndpointsRequestJson,
  RebindEndpointsResponseJson,
  TestEncryptionRequestJson,
  TestEncryptionResponseJson,
} from "../gen/keyward/allowlist/v1/service_pb";
import type {
  Endpoint_StateJson,
  EndpointJson,
  Verification_MethodJson,
} from "../gen/keyward/allowlist/v1/resources_pb";
import { call } from "./client";
import { workspaceName } from "./names";
import type { Page, Sort } from "./vault";

export interface EndpointFilter {
  query?: string;
  state?: Endpoint_StateJson;
  label?: string;
  /** Only endpoints with an acknowledgement of an unsafe choice that ends before this time. */
  legacyExpiresBefore?: string;
  orderBy?: Sort;
}

interface Act {
  etag?: string;
  reason?: string;
}

export const listEndpoints = (workspace: string, filter: EndpointFilter & Page, signal?: AbortSignal) =>
  call<ListEndpointsResponseJson>("GET", `${workspaceName(workspace)}/endpoints`, { query: { ...filter }, signal });

export const getEndpoint = (name: string, signal?: AbortSignal) => call<EndpointJson>("GET", name, { signal });

export const createEndpoint = (
  workspace: string,
  id: string,
  endpoint: EndpointJson,
  options: { requestId: string; reason?: string },
) =>
  call<EndpointJson>("POST", `${workspaceName(workspace)}/endpoints`, {
    query: { endpointId: id, ...options },
    body: endpoint,
  });

export const updateEndpoint = (
  endpoint: EndpointJson & { name: string },
  options: { updateMask: string; requestId: string; reason?: string },
) => call<EndpointJson>("PATCH", endpoint.name, { query: options, body: endpoint });

export const deleteEndpoint = (name: string, options: Act) => call<object>("DELETE", name, { query: { ...options } });

export const activateEndpoint = (name: string, act: Act & { sample?: string } = {}) =>
  call<EndpointJson>("POST", `${name}:activate`, { body: act });
export const deactivateEndpoint = (name: string, act: Act = {}) =>
  call<EndpointJson>("POST", `${name}:deactivate`, { body: act });
export const approveEndpoint = (name: string, act: Act = {}) =>
  call<EndpointJson>("POST", `${name}:approve`, { body: act });
export const verifyEndpoint = (name: string, method: Verification_MethodJson) =>
  call<EndpointJson>("POST", `${name}:verify`, { body: { method } });

/** Binds the references of endpoints again that lost a secret. */
export const rebindEndpoints = (
  workspace: string,
  request: Omit<RebindEndpointsRequestJson, "parent">,
  signal?: AbortSignal,
) =>
  call<RebindEndpointsResponseJson>("POST", `${workspaceName(workspace)}/endpoints:rebind`, { body: request, signal });

export const listEndpointHistory = (name: string, page: Page, signal?: AbortSignal) =>
  call<ListEndpointHistoryResponseJson>("GET", `${name}/history`, { query: { ...page }, signal });

export const listPresets = (signal?: AbortSignal) => call<ListPresetsResponseJson>("GET", "presets", { signal });

export const testEncryption = (name: string, test: Omit<TestEncryptionRequestJson, "name">) =>
  call<TestEncryptionResponseJson>("POST", `${name}:testEncryption`, { body: test });

/** Checks whether the keys of an endpoint, or of a draft, can work. */
export const checkKeys = (name: string, check: Omit<CheckKeysRequestJson, "name">, signal?: AbortSignal) =>
  call<CheckKeysResponseJson>("POST", `${name}:checkKeys`, { body: check, signal });

export const diagnoseSample = (name: string, sample: Omit<DiagnoseSampleRequestJson, "name">) =>
  call<DiagnoseSampleResponseJson>("POST", `${name}:diagnoseSample`, { body: sample });
