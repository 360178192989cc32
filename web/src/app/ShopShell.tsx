/** The frame around the shop: who shops, what is in the cart, and what just happened to one's orders. */
import { useState } from "react";
import { Link, NavLink, Outlet } from "react-router";

import { useLiveMessages } from "@/live/context";
import { isOrderMessage, type OrderMessage } from "@/live/messages";
import { setCustomer, useShopper } from "@/shop/shopper";
import { Button, Field, Input } from "@/ui/controls";
import { Dialog } from "@/ui/Dialog";
import { Icon, Logo } from "@/ui/Icon";
import { useToast, type Notice } from "@/ui/toast";

import { LivePill, OfflineNotice } from "./LivePill";
import { ThemeButton } from "./ThemeButton";
import { TokenButton } from "./TokenButton";

/** What a customer wants to be told; `null`: nothing. */
export function noticeOf({ event, order }: OrderMessage): Notice | null {
  const title = order.orderNumber;
  if (event === "order:cancelled") {
    return order.stockStatus === "rejected"
      ? { tone: "bad", title: `${title} could not be filled`, text: "Something in it is short." }
      : { tone: "warn", title: `${title} is cancelled` };
  }
  if (event === "order:updated" && order.stockStatus === "reserved" && order.version === 2) {
    return { title: `${title}: everything is yours`, text: "All of it is set aside for you." };
  }
  if (event === "order:status_changed" && order.status !== 5)
    return { title: `${title} is ${order.statusLabel.toLowerCase()}` };
  return null;
}

export function ShopShell() {
  const { customer, cart } = useShopper();
  const notify = useToast();
  const [asking, setAsking] = useState(false);
  const items = cart.reduce((sum, line) => sum + line.quantity, 0);
  useLiveMessages((batch) => {
    for (const message of batch) {
      if (!isOrderMessage(message) || message.order.userId !== customer) continue;
      const notice = noticeOf(message);
      if (notice !== null) notify(notice);
    }
  });
  return (
    <div className="main shop">
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="shop-bar">
        <Link to="/shop" className="brand">
          <Logo /> Holdfast
        </Link>
        <nav aria-label="Shop">
          <NavLink to="/shop" end>
            Products
          </NavLink>
          <NavLink to="/shop/orders">My orders</NavLink>
          <NavLink to="/shop/cart">
            <Icon name="cart" /> Cart {items > 0 && <span className="nav-count neutral">{items}</span>}
          </NavLink>
        </nav>
        <div className="right">
          <LivePill />
          <Button kind="ghost" size="small" icon="user" title="Shopping as" onClick={() => setAsking(true)}>
            {customer}
          </Button>
          <TokenButton />
          <ThemeButton />
          <Link className="button small" to="/overview">
            Console
          </Link>
        </div>
      </header>
      <OfflineNotice />
      <main id="content">
        <Outlet />
      </main>
      {asking && <WhoDialog customer={customer} onClose={() => setAsking(false)} />}
    </div>
  );
}

function WhoDialog({ customer, onClose }: { customer: string; onClose: () => void }) {
  const [name, setName] = useState(customer);
  return (
    <Dialog
      open
      onClose={onClose}
      title="Shopping as"
      description="There are no accounts yet. Any id will do; it is kept in this browser."
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim() !== "") setCustomer(name.trim());
          onClose();
        }}
      >
        <Field label="Customer id">
          {(field) => (
            <Input {...field} maxLength={128} required value={name} onChange={(event) => setName(event.target.value)} />
          )}
        </Field>
        <div className="ends">
          <Button onClick={onClose}>Back</Button>
          <Button kind="primary" type="submit">
            Shop as this customer
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
