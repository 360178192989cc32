/** The frame around the console: what there is, whether it is live, and where you are. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, NavLink, Outlet, useNavigation } from "react-router";

import { groupList, parkedIn } from "@/api/operator";
import { config } from "@/api/system";
import { Button } from "@/ui/controls";
import { Drawer } from "@/ui/Dialog";
import { Icon, Logo, type IconName } from "@/ui/Icon";

import { LivePill, OfflineNotice } from "./LivePill";
import { openPalette, Palette } from "./Palette";
import { openShortcuts, Shortcuts } from "./Shortcuts";
import { ThemeButton } from "./ThemeButton";
import { TokenButton } from "./TokenButton";

interface Item {
  to: string;
  label: string;
  icon: IconName;
}

const OPERATIONS: readonly Item[] = [
  { to: "/overview", label: "Overview", icon: "overview" },
  { to: "/orders", label: "Orders", icon: "orders" },
  { to: "/inventory", label: "Inventory", icon: "inventory" },
];
const BUS: readonly Item[] = [
  { to: "/topics", label: "Topics", icon: "topics" },
  { to: "/groups", label: "Consumer groups", icon: "groups" },
  { to: "/dead-letters", label: "Dead letters", icon: "letters" },
];
const DEMO: readonly Item[] = [{ to: "/try", label: "Try it", icon: "try" }];

function Items({
  title,
  items,
  counts = {},
}: {
  title: string;
  items: readonly Item[];
  counts?: Record<string, number>;
}) {
  return (
    <div>
      <div className="nav-title">{title}</div>
      <ul className="nav">
        {items.map(({ to, label, icon }) => (
          <li key={to}>
            <NavLink to={to}>
              <Icon name={icon} />
              {label}
              {(counts[to] ?? 0) > 0 && <span className="nav-count">{counts[to]}</span>}
            </NavLink>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Sidebar({ onNavigate }: { onNavigate?: () => void }) {
  const { data: settings } = useQuery(config);
  const { data: groups } = useQuery(groupList);
  return (
    // Links inside close the drawer that it may be in; they do the rest themselves.
    // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-static-element-interactions
    <div className="sidebar" onClick={onNavigate}>
      <Link to="/overview" className="brand">
        <Logo /> Holdfast
      </Link>
      <div className="switch">
        <Link to="/overview" aria-current="true">
          Console
        </Link>
        <Link to="/shop">Shop</Link>
      </div>
      <button type="button" className="jump" onClick={openPalette}>
        <Icon name="search" size={14} /> Go to… <kbd>Ctrl K</kbd>
      </button>
      <nav aria-label="Console">
        <Items title="Operations" items={OPERATIONS} />
        <Items title="Event bus" items={BUS} counts={{ "/dead-letters": parkedIn(groups) ?? 0 }} />
        {settings?.demo === true && <Items title="Demo" items={DEMO} />}
      </nav>
      <div className="sidebar-foot">
        <TokenButton />
        <div className="row">
          <span className="grow">
            <LivePill />
          </span>
          <Button kind="ghost" size="small" icon="keyboard" label="Keyboard shortcuts" onClick={openShortcuts} />
          <ThemeButton />
        </div>
        <span>
          {settings === undefined
            ? ""
            : `v${settings.version} · ${settings.bus === "kafka" ? "Kafka" : "embedded bus"}`}
        </span>
      </div>
    </div>
  );
}

export function ConsoleShell() {
  const [menu, setMenu] = useState(false);
  const loading = useNavigation().state === "loading";
  return (
    <div className="shell">
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="side">
        <Sidebar />
      </header>
      <div className="main">
        <header className="topbar">
          <Button kind="ghost" icon="menu" label="Menu" onClick={() => setMenu(true)} />
          <span className="brand">
            <Logo size={20} /> Holdfast
          </span>
          <LivePill />
        </header>
        <OfflineNotice />
        <main id="content" aria-busy={loading}>
          <Outlet />
        </main>
      </div>
      <Palette />
      <Shortcuts />
      <Drawer open={menu} onClose={() => setMenu(false)} title="Menu">
        <Sidebar onNavigate={() => setMenu(false)} />
      </Drawer>
    </div>
  );
}
