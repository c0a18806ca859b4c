import type { ReactNode } from "react";

type Props = { size?: number; className?: string };

/** Icons use a grid of 24 with a line width of 1.75 and are hidden from screen readers. */
function icon(children: ReactNode) {
  return function Icon({ size = 18, className }: Props) {
    return (
      <svg
        width={size}
        height={size}
        viewBox="0 0 24 24"
        fill="none"
        stroke="currentColor"
        strokeWidth={1.75}
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden="true"
        className={className}
      >
        {children}
      </svg>
    );
  };
}

export const KeyIcon = icon(
  <>
    <circle cx="8" cy="15" r="4" />
    <path d="M10.85 12.15 19 4" />
    <path d="m18 5 2 2" />
    <path d="m15 8 2 2" />
  </>,
);
export const GlobeIcon = icon(
  <>
    <circle cx="12" cy="12" r="9" />
    <path d="M3 12h18" />
    <path d="M12 3c2.5 2.6 3.75 5.6 3.75 9s-1.25 6.4-3.75 9c-2.5-2.6-3.75-5.6-3.75-9S9.5 5.6 12 3" />
  </>,
);
export const ClockIcon = icon(
  <>
    <circle cx="12" cy="12" r="9" />
    <path d="M12 7v5l3 2" />
  </>,
);
export const PlusIcon = icon(
  <>
    <path d="M12 5v14" />
    <path d="M5 12h14" />
  </>,
);
export const SearchIcon = icon(
  <>
    <circle cx="11" cy="11" r="7" />
    <path d="m20 20-4-4" />
  </>,
);
export const DotsIcon = icon(
  <>
    <circle cx="12" cy="5" r="1" fill="currentColor" />
    <circle cx="12" cy="12" r="1" fill="currentColor" />
    <circle cx="12" cy="19" r="1" fill="currentColor" />
  </>,
);
export const PencilIcon = icon(
  <>
    <path d="M4 20h4L19 9l-4-4L4 16z" />
    <path d="m13 7 4 4" />
  </>,
);
export const TrashIcon = icon(
  <>
    <path d="M4 7h16" />
    <path d="M10 11v6" />
    <path d="M14 11v6" />
    <path d="m6 7 1 13h10l1-13" />
    <path d="M9 7V4h6v3" />
  </>,
);
export const CopyIcon = icon(
  <>
    <rect x="9" y="9" width="11" height="11" rx="2" />
    <path d="M5 15H4V5a1 1 0 0 1 1-1h10v1" />
  </>,
);
export const CheckIcon = icon(<path d="m5 12.5 4.5 4.5L19 7.5" />);
export const CrossIcon = icon(
  <>
    <path d="m6 6 12 12" />
    <path d="M18 6 6 18" />
  </>,
);
export const EyeIcon = icon(
  <>
    <path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12" />
    <circle cx="12" cy="12" r="3" />
  </>,
);
export const EyeOffIcon = icon(
  <>
    <path d="M4 4l16 16" />
    <path d="M9.9 5.7A9 9 0 0 1 12 5.5c6 0 9.5 6.5 9.5 6.5a17 17 0 0 1-2.6 3.4" />
    <path d="M6.3 6.9C3.9 8.6 2.5 12 2.5 12S6 18.5 12 18.5c1.6 0 3-.4 4.2-1" />
  </>,
);
export const SunIcon = icon(
  <>
    <circle cx="12" cy="12" r="4" />
    <path d="M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M19 5l-1.4 1.4M6.4 17.6 5 19" />
  </>,
);
export const MoonIcon = icon(<path d="M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5" />);
export const ScreenIcon = icon(
  <>
    <rect x="3" y="4" width="18" height="12" rx="2" />
    <path d="M8 20h8M12 16v4" />
  </>,
);
export const MenuIcon = icon(
  <>
    <path d="M4 7h16" />
    <path d="M4 12h16" />
    <path d="M4 17h16" />
  </>,
);
export const LogOutIcon = icon(
  <>
    <path d="M14 4H6a1 1 0 0 0-1 1v14a1 1 0 0 0 1 1h8" />
    <path d="M11 12h10" />
    <path d="m18 9 3 3-3 3" />
  </>,
);
export const ChevronDownIcon = icon(<path d="m6 9 6 6 6-6" />);
export const ChevronRightIcon = icon(<path d="m9 6 6 6-6 6" />);
export const ChevronLeftIcon = icon(<path d="m15 6-6 6 6 6" />);
export const SortIcon = icon(
  <>
    <path d="m8 9 4-4 4 4" />
    <path d="m8 15 4 4 4-4" />
  </>,
);
export const ArrowUpIcon = icon(
  <>
    <path d="M12 19V5" />
    <path d="m6 11 6-6 6 6" />
  </>,
);
export const ArrowDownIcon = icon(
  <>
    <path d="M12 5v14" />
    <path d="m18 13-6 6-6-6" />
  </>,
);
export const ShieldIcon = icon(<path d="M12 3l7.5 2.8V12c0 4.5-3 7.8-7.5 9.2C7.5 19.8 4.5 16.5 4.5 12V5.8z" />);
export const ShieldCheckIcon = icon(
  <>
    <path d="M12 3l7.5 2.8V12c0 4.5-3 7.8-7.5 9.2C7.5 19.8 4.5 16.5 4.5 12V5.8z" />
    <path d="m9 12 2.2 2.2L15.2 10" />
  </>,
);
export const AlertIcon = icon(
  <>
    <path d="M12 4 2.8 19.5h18.4z" />
    <path d="M12 10v4" />
    <path d="M12 17h.01" />
  </>,
);
export const InfoIcon = icon(
  <>
    <circle cx="12" cy="12" r="9" />
    <path d="M12 11v5" />
    <path d="M12 8h.01" />
  </>,
);
export const UploadIcon = icon(
  <>
    <path d="M12 15V4" />
    <path d="m7 9 5-5 5 5" />
    <path d="M4 15v4a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-4" />
  </>,
);
export const DownloadIcon = icon(
  <>
    <path d="M12 4v11" />
    <path d="m7 10 5 5 5-5" />
    <path d="M4 15v4a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-4" />
  </>,
);
export const DiceIcon = icon(
  <>
    <rect x="4" y="4" width="16" height="16" rx="3" />
    <path d="M8.5 8.5h.01M15.5 8.5h.01M12 12h.01M8.5 15.5h.01M15.5 15.5h.01" strokeWidth="2.4" />
  </>,
);
export const LinkIcon = icon(
  <>
    <path d="M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1" />
    <path d="M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1" />
  </>,
);
export const RefreshIcon = icon(
  <>
    <path d="M20 11a8 8 0 0 0-14.5-3.5L4 9" />
    <path d="M4 4v5h5" />
    <path d="M4 13a8 8 0 0 0 14.5 3.5L20 15" />
    <path d="M20 20v-5h-5" />
  </>,
);
export const PowerIcon = icon(
  <>
    <path d="M7 6.5a8 8 0 1 0 10 0" />
    <path d="M12 3v9" />
  </>,
);
export const PauseIcon = icon(
  <>
    <path d="M8 5v14" />
    <path d="M16 5v14" />
  </>,
);
export const PlayIcon = icon(<path d="M7 4.5v15l12-7.5z" />);
export const UndoIcon = icon(
  <>
    <path d="M4 10h10a6 6 0 0 1 0 12h-3" transform="translate(0 -3)" />
    <path d="M8 3 4 7l4 4" />
  </>,
);
export const FlameIcon = icon(
  <path d="M12 3c.5 3.5 5.5 5.5 5.5 11a5.5 5.5 0 0 1-11 0c0-2 1-3.5 2-4.5 0 1.5.8 2.5 1.8 2.5C12 12 10.5 7 12 3" />,
);
export const UnlinkIcon = icon(
  <>
    <path d="m14.5 9.5 2.5-2.5M17 12l2-2a3.5 3.5 0 0 0-5-5l-2 2" />
    <path d="M7 12l-2 2a3.5 3.5 0 0 0 5 5l2-2" />
    <path d="M4 4l16 16" />
  </>,
);
export const FileIcon = icon(
  <>
    <path d="M6 3h8l5 5v12a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1" />
    <path d="M14 3v5h5" />
  </>,
);
export const SendIcon = icon(
  <>
    <path d="M21 3 3 10.5l7 3.5 3.5 7z" />
    <path d="M21 3 10 14" />
  </>,
);
export const TuneIcon = icon(
  <>
    <path d="M4 7h9M17 7h3M4 17h3M11 17h9" />
    <circle cx="15" cy="7" r="2" />
    <circle cx="9" cy="17" r="2" />
  </>,
);
export const UserIcon = icon(
  <>
    <circle cx="12" cy="8" r="4" />
    <path d="M4.5 20c.8-3.5 3.8-5.5 7.5-5.5s6.7 2 7.5 5.5" />
  </>,
);
export const BoxIcon = icon(
  <>
    <path d="M12 3l8 4.5v9L12 21l-8-4.5v-9z" />
    <path d="M12 12l8-4.5M12 12v9M12 12 4 7.5" />
  </>,
);

/** The logo: a shield with a keyhole. */
export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="var(--kw-mark)" />
      <path
        d="M16 6.5 23.5 9.3v6.2c0 4.8-3 8.4-7.5 10-4.5-1.6-7.5-5.2-7.5-10V9.3z"
        fill="none"
        stroke="#fff"
        strokeWidth="2"
        strokeLinejoin="round"
      />
      <circle cx="16" cy="14.3" r="2.3" fill="#fff" />
      <path d="M16 15.5v4.7" stroke="#fff" strokeWidth="2.2" strokeLinecap="round" />
    </svg>
  );
}
