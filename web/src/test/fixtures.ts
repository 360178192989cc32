/** Orders and products for tests: believable, and as small as the types allow. */
import type { Order } from "@/api/orders";
import type { Product } from "@/api/products";

export function order(id: number, changes: Partial<Order> = {}): Order {
  return {
    _id: id.toString(16).padStart(24, "0"),
    orderNumber: `ORD-${id}`,
    userId: "ada",
    items: [{ lineId: 1, productId: "p1", productName: "Test Product", quantity: 2, price: 29.99 }],
    totalAmount: 59.98,
    currency: "USD",
    status: 1,
    statusLabel: "Pending",
    stockStatus: "pending",
    reservationId: `RSV-${id}`,
    shippingAddress: { street: "1", city: "c", state: "s", zipCode: "z", country: "USA" },
    paymentMethod: "credit_card",
    paymentStatus: "pending",
    createdAt: "2026-01-01T00:00:00.000Z",
    updatedAt: "2026-01-01T00:00:00.000Z",
    metadata: {},
    version: 1,
    ...changes,
  };
}

export function product(id: string, changes: Partial<Product> = {}): Product {
  return {
    _id: id,
    name: `Product ${id}`,
    description: "",
    price: 29.99,
    currency: "USD",
    category: "Books",
    stock: 10,
    reserved: 0,
    onHand: 10,
    inStock: true,
    sku: null,
    brand: null,
    tags: [],
    imageUrl: null,
    rating: null,
    reviewCount: 0,
    isActive: true,
    createdAt: "2026-01-01T00:00:00.000Z",
    updatedAt: "2026-01-01T00:00:00.000Z",
    version: 1,
    ...changes,
  };
}
