/** Named filters above a table: some of our own, and those that are saved in this browser. Each is a link. */
import { useState } from "react";
import { Link, useLocation, useNavigate } from "react-router";

import { canonical, removeView, renameView, saveView, useViews, type View } from "@/lib/views";
import { Button, Field, Input } from "@/ui/controls";
import { Dialog } from "@/ui/Dialog";
import { Menu } from "@/ui/Menu";
import { useToast } from "@/ui/toast";

interface Props {
  /** Under which they are kept. */
  screen: string;
  builtIn: readonly View[];
}

type Asking = { what: "save" } | { what: "rename"; view: View };

export function ViewBar({ screen, builtIn }: Props) {
  const { pathname, search } = useLocation();
  const navigate = useNavigate();
  const notify = useToast();
  const saved = useViews(screen);
  const [asking, setAsking] = useState<Asking | null>(null);
  const here = canonical(search);
  const isKnown = [...builtIn, ...saved].some((view) => view.query === here);
  const to = (query: string) => ({ pathname, search: query });
  return (
    <nav className="views" aria-label="Views">
      <ul>
        {builtIn.map((view) => (
          <li key={view.name}>
            <ViewLink view={view} to={to(view.query)} isHere={view.query === here} />
          </li>
        ))}
        {saved.map((view) => (
          <li key={`saved ${view.name}`} className="saved">
            <ViewLink view={view} to={to(view.query)} isHere={view.query === here} />
            <Menu
              trigger={<Button kind="ghost" size="small" icon="more" label={`View ${view.name}`} />}
              items={[
                { label: "Rename…", onSelect: () => setAsking({ what: "rename", view }) },
                {
                  label: "Replace with these filters",
                  disabled: view.query === here,
                  onSelect: () => saveView(screen, view.name, here),
                },
                {
                  label: "Remove",
                  onSelect: () => {
                    removeView(screen, view.name);
                    notify({ title: `View “${view.name}” is removed`, tone: "warn" });
                  },
                },
              ]}
            />
          </li>
        ))}
      </ul>
      {!isKnown && (
        <Button kind="ghost" size="small" icon="star" onClick={() => setAsking({ what: "save" })}>
          Save view
        </Button>
      )}
      {asking !== null && (
        <NameDialog
          title={asking.what === "save" ? "Save view" : `Rename “${asking.view.name}”`}
          first={asking.what === "save" ? "" : asking.view.name}
          taken={builtIn.map((view) => view.name)}
          onClose={() => setAsking(null)}
          onName={(name) => {
            if (asking.what === "rename") renameView(screen, asking.view.name, name);
            else {
              saveView(screen, name, here);
              void navigate(to(here), { replace: true });
            }
          }}
        />
      )}
    </nav>
  );
}

function ViewLink({ view, to, isHere }: { view: View; to: { pathname: string; search: string }; isHere: boolean }) {
  return (
    <Link to={to} className="view" aria-current={isHere ? "true" : undefined}>
      {view.name}
    </Link>
  );
}

interface NameProps {
  title: string;
  first: string;
  taken: readonly string[];
  onName: (name: string) => void;
  onClose: () => void;
}

function NameDialog({ title, first, taken, onName, onClose }: NameProps) {
  const [text, setText] = useState(first);
  const name = text.trim();
  const problem = taken.includes(name) ? "There is a view of this name already" : undefined;
  return (
    <Dialog
      open
      onClose={onClose}
      title={title}
      description="The filters are in the address; the name is kept in this browser."
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (name === "" || problem !== undefined) return;
          onName(name);
          onClose();
        }}
      >
        <Field label="Name" problem={problem}>
          {(field) => (
            <Input {...field} required maxLength={40} value={text} onChange={(event) => setText(event.target.value)} />
          )}
        </Field>
        <div className="ends">
          <Button onClick={onClose}>Back</Button>
          <Button kind="primary" type="submit" disabled={name === "" || problem !== undefined}>
            Save
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
