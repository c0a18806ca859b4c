import { ActionIcon, CloseButton, Drawer, Menu, useMantineColorScheme, type MantineColorScheme } from "@mantine/core";
import { useEffect, useState, type ReactNode } from "react";
import { accessTo } from "../api/access";
import type { CallerJson } from "../gen/keyward/access/v1/service_pb";
import { session, type Person } from "../session/session";
import {
  ChevronDownIcon,
  ClockIcon,
  GlobeIcon,
  KeyIcon,
  LogOutIcon,
  Mark,
  MenuIcon,
  MoonIcon,
  ScreenIcon,
  SunIcon,
  UserIcon,
} from "../ui/icons";
import { Link } from "./Link";
import { paths, usePlace } from "./router";
import { t } from "../text/t";
import { WorkspaceSwitch } from "./WorkspaceSwitch";

interface Props {
  person: Person;
  caller: CallerJson;
  workspace?: string;
  children?: ReactNode;
}

/** The frame of the page: workspace, navigation, and user. */
export function Shell(props: Props) {
  const [open, setOpen] = useState(false);
  const { path } = usePlace();
  useEffect(() => setOpen(false), [path]);
  return (
    <div className="shell">
      <a className="skip" href="#content">
        {t("app.skip")}
      </a>
      <header className="topbar">
        <ActionIcon
          variant="subtle"
          color="gray"
          size="lg"
          aria-label={t("app.menu")}
          aria-expanded={open}
          onClick={() => setOpen(true)}
        >
          <MenuIcon size={20} />
        </ActionIcon>
        <Brand />
      </header>
      <Drawer.Root
        opened={open}
        onClose={() => setOpen(false)}
        size={272}
        lockScroll={false}
        transitionProps={{ duration: 120 }}
      >
        <Drawer.Overlay backgroundOpacity={0.45} />
        <Drawer.Content aria-label={t("app.menu")}>
          <Drawer.Body className="drawer-body">
            <div className="drawer-head">
              <Brand />
              <CloseButton aria-label={t("ui.close")} onClick={() => setOpen(false)} />
            </div>
            <Side {...props} />
          </Drawer.Body>
        </Drawer.Content>
      </Drawer.Root>
      <aside className="side" aria-label={t("app.brand")}>
        <div className="side-brand">
          <Brand />
        </div>
        <Side {...props} />
      </aside>
      <main id="content" tabIndex={-1}>
        {props.children}
      </main>
    </div>
  );
}

function Brand() {
  return (
    <Link to="/" className="brand">
      <Mark size={26} />
      <span>{t("app.brand")}</span>
    </Link>
  );
}

function Side({ person, caller, workspace }: Props) {
  return (
    <div className="side-inner">
      <WorkspaceSwitch caller={caller} workspace={workspace} />
      <nav aria-label={t("app.main")}>{workspace && <Places caller={caller} workspace={workspace} />}</nav>
      <div className="side-foot">
        <UserMenu person={person} caller={caller} workspace={workspace} />
      </div>
    </div>
  );
}

function Places({ caller, workspace }: { caller: CallerJson; workspace: string }) {
  const { path } = usePlace();
  const access = accessTo(caller, workspace);
  const places = [
    { to: paths.secrets(workspace), name: t("secrets.title"), icon: <KeyIcon />, shown: access.manage },
    { to: paths.endpoints(workspace), name: t("endpoints.title"), icon: <GlobeIcon />, shown: access.see },
    { to: paths.activity(workspace), name: t("activity.title"), icon: <ClockIcon />, shown: access.manage },
  ];
  const here = (to: string) =>
    path === to || path.startsWith(`${to}/`) || (to.endsWith("/endpoints") && path.endsWith("/new-endpoint"));
  return (
    <ul className="nav">
      {places
        .filter((p) => p.shown)
        .map((p) => (
          <li key={p.to}>
            <Link to={p.to} className="nav-link" aria-current={here(p.to) ? "page" : undefined}>
              {p.icon}
              {p.name}
            </Link>
          </li>
        ))}
    </ul>
  );
}

function roleWords(caller: CallerJson, workspace?: string): string {
  if (caller.superAdmin) return t("role.superAdmin");
  if (!workspace) return "";
  const access = accessTo(caller, workspace);
  return access.manage ? t("role.owner") : access.see ? t("role.member") : t("role.none");
}

function UserMenu({ person, caller, workspace }: Props) {
  return (
    <Menu position="top-start" width={248}>
      <Menu.Target>
        <button type="button" className="user">
          <span className="avatar">
            <UserIcon size={16} />
          </span>
          <span className="user-words">
            <span className="ellipsis" dir="auto">
              {person.name}
            </span>
            <small>{roleWords(caller, workspace)}</small>
          </span>
          <ChevronDownIcon size={14} />
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <SchemeItems />
        <Menu.Divider />
        <Menu.Item leftSection={<LogOutIcon size={16} />} onClick={() => void session.signOut()}>
          {t("app.signOut")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

const schemes = [
  { value: "light", icon: <SunIcon size={15} />, name: t("scheme.light") },
  { value: "dark", icon: <MoonIcon size={15} />, name: t("scheme.dark") },
  { value: "auto", icon: <ScreenIcon size={15} />, name: t("scheme.auto") },
];

function SchemeItems() {
  // Without keepTransitions Mantine would inject a style element.
  const { colorScheme, setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  return (
    <Menu.RadioGroup value={colorScheme} onChange={(value) => setColorScheme(value as MantineColorScheme)}>
      {schemes.map((s) => (
        <Menu.RadioItem key={s.value} value={s.value}>
          <span className="scheme-option">
            {s.icon}
            {s.name}
          </span>
        </Menu.RadioItem>
      ))}
    </Menu.RadioGroup>
  );
}
