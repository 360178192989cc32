import { createBrowserRouter, redirect } from "react-router";

import { ConsoleShell } from "./ConsoleShell";
import { Missing, RouteFailed } from "./edges";
import { ShopShell } from "./ShopShell";

/** Each screen is a file of its own, loaded when it is opened first. */
export const router = createBrowserRouter([
  {
    element: <ConsoleShell />,
    errorElement: <RouteFailed />,
    children: [
      { index: true, loader: () => redirect("/overview") },
      { path: "overview", lazy: async () => ({ Component: (await import("@/console/overview/Overview")).Overview }) },
      { path: "orders", lazy: async () => ({ Component: (await import("@/console/orders/Orders")).Orders }) },
      { path: "orders/:id", lazy: async () => ({ Component: (await import("@/console/orders/OrderPage")).OrderPage }) },
      {
        path: "inventory",
        lazy: async () => ({ Component: (await import("@/console/inventory/Inventory")).Inventory }),
      },
      {
        path: "inventory/:id",
        lazy: async () => ({ Component: (await import("@/console/inventory/ProductPage")).ProductPage }),
      },
      { path: "topics", lazy: async () => ({ Component: (await import("@/console/topics/Topics")).Topics }) },
      {
        path: "topics/:name",
        lazy: async () => ({ Component: (await import("@/console/topics/TopicPage")).TopicPage }),
      },
      { path: "groups", lazy: async () => ({ Component: (await import("@/console/topics/Groups")).Groups }) },
      { path: "dead-letters", lazy: async () => ({ Component: (await import("@/console/letters/Letters")).Letters }) },
      { path: "try", lazy: async () => ({ Component: (await import("@/console/try/TryIt")).TryIt }) },
      { path: "*", element: <Missing home="/overview" /> },
    ],
  },
  {
    path: "shop",
    element: <ShopShell />,
    errorElement: <RouteFailed />,
    children: [
      { index: true, lazy: async () => ({ Component: (await import("@/shop/Catalogue")).Catalogue }) },
      { path: "products/:id", lazy: async () => ({ Component: (await import("@/shop/ProductView")).ProductView }) },
      { path: "cart", lazy: async () => ({ Component: (await import("@/shop/CartView")).CartView }) },
      { path: "checkout", lazy: async () => ({ Component: (await import("@/shop/Checkout")).Checkout }) },
      { path: "orders", lazy: async () => ({ Component: (await import("@/shop/MyOrders")).MyOrders }) },
      { path: "orders/:id", lazy: async () => ({ Component: (await import("@/shop/MyOrder")).MyOrder }) },
      { path: "*", element: <Missing home="/shop" /> },
    ],
  },
]);
