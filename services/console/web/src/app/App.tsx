import {
  Autocomplete,
  Combobox,
  localStorageColorSchemeManager,
  MantineProvider,
  Modal,
  Menu,
  Select,
  Textarea,
  TextInput,
  type MantineThemeOverride,
  mergeThemeOverrides,
} from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { Problem } from "../api/problem";
import { Expired } from "../session/Expired";
import { Broken, PopupDone, SignIn, Starting } from "../session/SignIn";
import { session } from "../session/session";
import { theme } from "../theme/theme";
import { Hints } from "../ui/Hint";
import { Toasts } from "../ui/toast";
import { Boundary } from "./Boundary";
import { LeaveDialog } from "./LeaveDialog";
import { t } from "../text/t";
import { Main } from "./Main";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // A search fetches many pages of lists, so none is cached for long.
      gcTime: 20_000,
      staleTime: 2_000,
      retry: (failures, error) =>
        failures < 2 && error instanceof Problem && (error.status === 503 || error.status === 0),
      retryDelay: (failures) => 400 * 2 ** failures,
    },
  },
});

/**
 * Lists open inside the dialog or section that they belong to, where screen readers expect them, not at the end of the
 * document.
 */
const choices = {
  shadow: "md",
  withinPortal: false,
  floatingStrategy: "fixed" as const,
  transitionProps: { duration: 80 },
};

/** Defaults of components: short transitions, and nothing that needs a style element. */
const defaults: MantineThemeOverride = mergeThemeOverrides(theme, {
  components: {
    // The header of a dialog is not a banner of the page. Locking the scroll bar would inject a style element;
    // theme/base.css locks it instead.
    Modal: Modal.extend({
      defaultProps: {
        lockScroll: false,
        centered: false,
        yOffset: "6dvh",
        transitionProps: { duration: 120 },
        closeButtonProps: { "aria-label": t("ui.close") },
        attributes: { header: { role: "none" } },
        padding: "lg",
        radius: "lg",
        overlayProps: { backgroundOpacity: 0.45 },
      },
    }),
    Menu: Menu.extend({
      defaultProps: { ...choices, keepMounted: false, position: "bottom-end", withInitialFocusPlaceholder: false },
    }),
    Select: Select.extend({
      defaultProps: { allowDeselect: false, checkIconPosition: "right", withScrollArea: false, comboboxProps: choices },
    }),
    Autocomplete: Autocomplete.extend({ defaultProps: { withScrollArea: false, comboboxProps: choices } }),
    Combobox: Combobox.extend({ defaultProps: choices }),
    // User input may be in any script.
    TextInput: TextInput.extend({ defaultProps: { dir: "auto" } }),
    Textarea: Textarea.extend({ defaultProps: { dir: "auto" } }),
  },
});

const scheme = localStorageColorSchemeManager();

export function App() {
  return (
    <MantineProvider
      theme={defaults}
      defaultColorScheme="auto"
      colorSchemeManager={scheme}
      withCssVariables={false}
      withGlobalClasses={false}
      deduplicateInlineStyles
    >
      <QueryClientProvider client={queries}>
        <Boundary>
          <Phases />
        </Boundary>
        <Toasts />
        <Hints />
      </QueryClientProvider>
    </MantineProvider>
  );
}

function Phases() {
  const phase = useSyncExternalStore(session.subscribe, session.getPhase);
  const signedIn = phase.is === "in" || phase.is === "expired";
  useEffect(() => {
    if (!signedIn) queries.clear();
  }, [signedIn]);
  switch (phase.is) {
    case "starting":
      return <Starting />;
    case "broken":
      return <Broken problem={phase.problem} />;
    case "popup":
      return <PopupDone />;
    case "out":
      return <SignIn standalone={phase.standalone} problem={phase.problem} />;
    default:
      return (
        <>
          <Main person={phase.person} />
          <LeaveDialog />
          {phase.is === "expired" && <Expired person={phase.person} problem={phase.problem} />}
        </>
      );
  }
}
