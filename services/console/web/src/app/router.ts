import { useCallback, useSyncExternalStore } from "react";

/**
 * Where the page is. The address bar holds all of it, so that every view can be linked
 * to: a path, and a few parameters such as a search.
 */
export interface Place {
  path: string;
  params: URLSearchParams;
}

const listeners = new Set<() => void>();
let current: Place | undefined;
let guard: ((leave: () => void) => boolean) | undefined;

function read(): Place {
  const { pathname, search } = window.location;
  if (!current || current.path !== pathname || current.params.toString() !== new URLSearchParams(search).toString()) {
    current = { path: pathname, params: new URLSearchParams(search) };
  }
  return current;
}

function changed(): void {
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  if (listeners.size === 0) window.addEventListener("popstate", changed);
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) window.removeEventListener("popstate", changed);
  };
}

/**
 * Asks before the page is left while something unsaved is on it. The guard returns true
 * when it takes care of leaving itself.
 */
export function setGuard(next: typeof guard): void {
  guard = next;
}

export function navigate(to: string, options: { replace?: boolean; force?: boolean } = {}): void {
  const leave = () => {
    window.history[options.replace ? "replaceState" : "pushState"](null, "", to);
    changed();
    if (!options.replace) document.getElementById("content")?.scrollTo(0, 0);
  };
  const samePath = new URL(to, window.location.href).pathname === window.location.pathname;
  if (!options.force && !samePath && guard?.(leave)) return;
  leave();
}

export function usePlace(): Place {
  return useSyncExternalStore(subscribe, read);
}

/** The parameters of the address, and a way to change some; empty ones are left out. */
export function useParams(): [URLSearchParams, (change: Record<string, string | undefined>) => void] {
  const { params } = usePlace();
  const change = useCallback((values: Record<string, string | undefined>) => {
    const next = new URLSearchParams(window.location.search);
    for (const [key, value] of Object.entries(values)) {
      if (value) next.set(key, value);
      else next.delete(key);
    }
    const search = next.toString();
    navigate(window.location.pathname + (search ? `?${search}` : ""), { replace: true });
  }, []);
  return [params, change];
}

/** Matches a path against a pattern such as `/w/:workspace/secrets/:id`. */
export function match(pattern: string, path: string): Record<string, string> | undefined {
  const want = pattern.split("/");
  const have = path.replace(/\/+$/, "").split("/");
  if (want.length !== have.length) return undefined;
  const found: Record<string, string> = {};
  for (const [i, part] of want.entries()) {
    const segment = have[i] ?? "";
    if (part.startsWith(":")) {
      const value = decode(segment);
      if (!value) return undefined;
      found[part.slice(1)] = value;
    } else if (part !== segment) {
      return undefined;
    }
  }
  return found;
}

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

const segment = encodeURIComponent;

/** The addresses of the page. */
export const paths = {
  home: (workspace: string) => `/w/${segment(workspace)}`,
  secrets: (workspace: string) => `/w/${segment(workspace)}/secrets`,
  secret: (workspace: string, id: string, tab?: string) => `/w/${segment(workspace)}/secrets/${segment(id)}${tab ? `/${tab}` : ""}`,
  endpoints: (workspace: string) => `/w/${segment(workspace)}/endpoints`,
  newEndpoint: (workspace: string) => `/w/${segment(workspace)}/new-endpoint`,
  endpoint: (workspace: string, id: string, tab?: string) => `/w/${segment(workspace)}/endpoints/${segment(id)}${tab ? `/${tab}` : ""}`,
  activity: (workspace: string) => `/w/${segment(workspace)}/activity`,
};
