import type { View } from "@/lib/views";

/** What one looks for most. */
export const ORDER_VIEWS: readonly View[] = [
  { name: "All", query: "" },
  { name: "Today", query: "placed=today" },
  { name: "Stuck pending", query: "placed=old&sortOrder=asc&status=pending&stock=pending" },
  { name: "To process", query: "sortOrder=asc&status=pending&stock=reserved" },
  { name: "To ship", query: "sortOrder=asc&status=processing" },
  { name: "Rejected", query: "status=cancelled&stock=rejected" },
  { name: "Largest", query: "sortBy=amount" },
];
