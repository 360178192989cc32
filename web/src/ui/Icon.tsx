/** Line icons on a 16 px grid, drawn for this app. */
const PATHS = {
  overview: "M2.5 9.5 6 6l2.5 2.5 5-5M2.5 13.5h11",
  orders: "M4 2.5h8v11l-2-1.2-2 1.2-2-1.2-2 1.2zM6.2 5.8h3.6M6.2 8.4h3.6",
  inventory: "M8 2 13.5 5v6L8 14 2.5 11V5zM2.5 5 8 8l5.5-3M8 8v6",
  topics: "M2.5 4h11M2.5 8h11M2.5 12h7",
  groups:
    "M5.5 7a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM2 13c0-2 1.5-3.5 3.5-3.5S9 11 9 13M10.5 7a1.8 1.8 0 1 0 0-3.6M11 9.6c1.7.2 3 1.6 3 3.4",
  letters: "M2.5 3.5h11v9h-11zM2.8 4l5.2 4.5L13.2 4",
  try: "M6 2.5h4M6.8 2.5v4L3.2 12.6c-.3.5 0 .9.5.9h8.6c.5 0 .8-.4.5-.9L9.2 6.5v-4M5 10h6",
  shop: "M2.5 6.5 3.7 3h8.6l1.2 3.5M3.3 7v6.5h9.4V7M2.5 6.5c0 1.5 2.2 1.5 2.7 0 .6 1.5 2.2 1.5 2.8 0 .6 1.5 2.2 1.5 2.8 0 .5 1.5 2.7 1.5 2.7 0",
  cart: "M2 3h1.6l1.6 7h6.6l1.5-5H4.2M6 13.2h.01M11 13.2h.01",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3l3.2 3.2",
  close: "M4 4l8 8M12 4l-8 8",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9",
  moon: "M13 9.6A5.5 5.5 0 0 1 6.4 3a5.5 5.5 0 1 0 6.6 6.6z",
  copy: "M6 6h7v7H6zM10 6V3H3v7h3",
  check: "M3 8.5 6.3 12 13 4.5",
  warning: "M8 2.5 14.2 13H1.8zM8 6.8v2.8M8 11.4h.01",
  down: "M4 6l4 4 4-4",
  right: "M6 4l4 4-4 4",
  left: "M10 4 6 8l4 4",
  up: "M4 10l4-4 4 4",
  refresh: "M13 8a5 5 0 1 1-1.5-3.6M13 2.5v3h-3",
  play: "M5 3.5v9l7-4.5z",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  user: "M8 8a2.7 2.7 0 1 0 0-5.4A2.7 2.7 0 0 0 8 8zM2.8 13.8c.4-2.4 2.5-4 5.2-4s4.8 1.6 5.2 4",
  columns: "M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10",
  keyboard: "M1.8 4.5h12.4v7.5H1.8zM4.2 7h.01M6.7 7h.01M9.3 7h.01M11.8 7h.01M5 9.6h6",
  star: "M8 2.4l1.7 3.6 3.9.5-2.9 2.7.8 3.9L8 11.1l-3.5 2 .8-3.9-2.9-2.7 3.9-.5z",
  box: "M2.5 5h11v8.5h-11zM4 2.5h8L13.5 5h-11zM6.2 8h3.6",
  filter: "M2.5 3.5h11L9.5 8.6v4.2l-3-1.5V8.6z",
  headphones: "M3 9.5V8a5 5 0 0 1 10 0v1.5M3 9.5h2.2v4H4a1 1 0 0 1-1-1zM13 9.5h-2.2v4H12a1 1 0 0 0 1-1z",
  kettle: "M4.5 5.5h6l1.5 8H3zM5.5 5.5 6 3.5h3l.5 2M10.8 7H13v4",
  book: "M8 4c-1.2-1-3-1.3-5.5-1.2v9.4C5 12.100 6.800 12.400 8 13.400c1.200-1 3-1.300 5.500-1.200V2.800C11 2.700 9.200 3 8 4zM8 4v9.400",
  shirt: "M5.500 2.500 2 4.500l1.200 3 1.300-.5v6.500h7V7l1.300.500 1.200-3-3.500-2c-.5 1.300-4.500 1.300-5 0z",
  ball: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM2.400 6.500c3 1 8.200 1 11.200 0M2.400 9.500c3-1 8.200-1 11.200 0M8 2v12",
  leaf: "M3 13c0-6 3-9.500 10-10 .5 7-3 10-8 9M3 13.500c1-3 3-5 6-6.500",
  pen: "M3 13l.7-3 7-7L13 5.300l-7 7zM9.500 4.200l2.300 2.300",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.4"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Logo({ size = 22 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#0b6b5d" />
      <path d="M10 7v18M22 7v18M10 16h12" fill="none" stroke="#fff" strokeWidth="3.4" strokeLinecap="round" />
    </svg>
  );
}
