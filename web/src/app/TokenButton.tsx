/** Who calls the services, where they ask for a token: shows it, and takes another. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { config } from "@/api/system";
import { identityOf, setToken, useToken } from "@/lib/token";
import { setCustomer } from "@/shop/shopper";
import { Button, Field, Input } from "@/ui/controls";
import { Dialog } from "@/ui/Dialog";

export function TokenButton() {
  const { data: settings } = useQuery(config);
  const token = useToken();
  const [asking, setAsking] = useState(false);
  if (settings?.authentication !== true) return null;
  const who = identityOf(token);
  return (
    <>
      <Button kind="ghost" size="small" icon="user" title="Token" onClick={() => setAsking(true)}>
        {who === null ? "Sign in" : `${who.subject} (${who.role})`}
      </Button>
      {asking && <TokenDialog onClose={() => setAsking(false)} />}
    </>
  );
}

function TokenDialog({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const client = useQueryClient();
  const take = (token: string) => {
    setToken(token);
    const who = identityOf(token);
    // A customer shops as nobody else.
    if (who?.role === "customer") setCustomer(who.subject);
    // What was answered to somebody else is not shown to this one.
    client.clear();
    void client.invalidateQueries();
    onClose();
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title="Token"
      description="The services ask for one. It is kept in this tab until it is closed. `holdfast token` makes one for trying out."
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          take(text);
        }}
      >
        <Field label="Token">
          {(field) => (
            <Input
              {...field}
              type="password"
              autoComplete="off"
              required
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          )}
        </Field>
        <div className="ends">
          <Button onClick={() => take("")}>Forget it</Button>
          <Button kind="primary" type="submit">
            Use this token
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
