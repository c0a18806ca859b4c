import { useCallback, useSyncExternalStore } from "react";

/**
 * The place that the page shows. The address bar holds all of it, so that every view has a link: a path, and a few
 * parameters such as a search.
 */
export interface Place {
  path: string;
  params: URLSearchParams;
}

const listeners = new Set<() => void>();
let current: Place | undefined;
let guard: ((leave: () => void) => void) | undefined;

/** The position of the current entry among the page's entries in the tab's history; each entry stores its own. */
let index = 0;

/** Set while the browser returns to the page and the user is asked whether to leave it. */
let returning = false;

function read(): Place {
  if (returning && current) return current;
  const { pathname, search } = window.location;
  if (!current || current.path !== pathname || current.params.toString() !== new URLSearchParams(search).toString()) {
    current = { path: pathname, params: new URLSearchParams(search) };
  }
  return current;
}

function changed(): void {
  for (const listener of listeners) listener();
}

const indexOf = (state: unknown): number | undefined => (state as { index?: number } | null)?.index;

/** The state that a history entry keeps in addition to its address. */
export const entryState = (): object => (window.history.state as object | null) ?? {};

/** The browser reports Back and Forward only after it moved, so a guarded page must be restored. */
function moved(): void {
  const to = indexOf(window.history.state);
  if (returning) {
    returning = false;
    return;
  }
  const steps = to === undefined ? 0 : to - index;
  if (guard && steps !== 0 && window.location.pathname !== current?.path) {
    returning = true;
    window.history.go(-steps);
    guard(() => window.history.go(steps));
    return;
  }
  if (to === undefined) mark(index + 1);
  else index = to;
  changed();
}

/** Stores the position of the current entry in it. */
function mark(number: number): void {
  index = number;
  window.history.replaceState({ ...entryState(), index }, "");
}

function subscribe(listener: () => void): () => void {
  if (listeners.size === 0) {
    mark(indexOf(window.history.state) ?? index);
    window.addEventListener("popstate", moved);
  }
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) window.removeEventListener("popstate", moved);
  };
}

/** Calls the guard before the page is left with unsaved changes; the guard leaves if the user agrees. */
export function setGuard(next: typeof guard): void {
  guard = next;
}

interface Options {
  replace?: boolean;
  /** Leaves without asking. */
  force?: boolean;
  /** The state of the entry, in addition to its address. */
  state?: object;
}

export function navigate(to: string, options: Options = {}): void {
  const samePath = new URL(to, window.location.href).pathname === window.location.pathname;
  const leave = () => {
    if (!options.replace) index++;
    window.history[options.replace ? "replaceState" : "pushState"]({ ...options.state, index }, "", to);
    changed();
    if (options.replace) return;
    const content = document.getElementById("content");
    content?.scrollTo(0, 0);
    // The followed link disappears with its page.
    if (!samePath) content?.focus({ preventScroll: true });
  };
  if (!options.force && !samePath && guard) guard(leave);
  else leave();
}

/** A path of this page; the home page if the path leads to another site. */
export function localPath(path: string, origin = window.location.origin): string {
  const to = URL.canParse(path, origin) ? new URL(path, origin) : undefined;
  return to?.origin === origin ? to.pathname + to.search : "/";
}

export function usePlace(): Place {
  return useSyncExternalStore(subscribe, read);
}

/**
 * The parameters of the address, and a function to change some; empty ones are omitted. A changed list starts at its
 * first page.
 */
export function useParams(): [URLSearchParams, (change: Record<string, string | undefined>) => void] {
  const { params } = usePlace();
  const change = useCallback((values: Record<string, string | undefined>) => {
    const next = new URLSearchParams(window.location.search);
    for (const key of ["page", "after"]) next.delete(key);
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
  secret: (workspace: string, id: string, tab?: string) =>
    `/w/${segment(workspace)}/secrets/${segment(id)}${tab ? `/${tab}` : ""}`,
  endpoints: (workspace: string) => `/w/${segment(workspace)}/endpoints`,
  newEndpoint: (workspace: string) => `/w/${segment(workspace)}/new-endpoint`,
  endpoint: (workspace: string, id: string, tab?: string) =>
    `/w/${segment(workspace)}/endpoints/${segment(id)}${tab ? `/${tab}` : ""}`,
  activity: (workspace: string) => `/w/${segment(workspace)}/activity`,
};
