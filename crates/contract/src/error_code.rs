//! The closed registry of error codes that clients may see.

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:literal, $title:literal;)*) => {
        /// What went wrong, for programs. Codes are public: never rename one, only add.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $variant,)* }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The HTTP status that it is answered with.
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// A short title for people.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    /// The body is not JSON, is not UTF-8, or names a field twice.
    InvalidJson = "INVALID_JSON", 400, "Invalid JSON";
    /// Fields are missing, unknown, of the wrong type or out of bounds; `fields` says which.
    ValidationFailed = "VALIDATION_FAILED", 400, "Validation Failed";
    /// An id in the path is malformed.
    InvalidId = "INVALID_ID", 400, "Invalid Id";
    /// A query parameter is unknown or out of bounds.
    InvalidQuery = "INVALID_QUERY", 400, "Invalid Query";
    /// A cursor that this service did not make for this list.
    InvalidCursor = "INVALID_CURSOR", 400, "Invalid Cursor";
    /// The call needs an `Idempotency-Key` header.
    IdempotencyKeyRequired = "IDEMPOTENCY_KEY_REQUIRED", 400, "Idempotency Key Required";
    /// The `Idempotency-Key` is empty, too long or not printable ASCII.
    InvalidIdempotencyKey = "INVALID_IDEMPOTENCY_KEY", 400, "Invalid Idempotency Key";
    /// No token, or one that is not valid.
    Unauthenticated = "UNAUTHENTICATED", 401, "Unauthenticated";
    /// The token does not allow this.
    Forbidden = "FORBIDDEN", 403, "Forbidden";
    /// No such order.
    OrderNotFound = "ORDER_NOT_FOUND", 404, "Order Not Found";
    /// No such product.
    ProductNotFound = "PRODUCT_NOT_FOUND", 404, "Product Not Found";
    /// No such topic.
    TopicNotFound = "TOPIC_NOT_FOUND", 404, "Topic Not Found";
    /// No such dead letter; somebody else may have replayed or discarded it.
    DeadLetterNotFound = "DEAD_LETTER_NOT_FOUND", 404, "Dead Letter Not Found";
    /// No such path.
    RouteNotFound = "ROUTE_NOT_FOUND", 404, "Not Found";
    /// The path exists, the method does not.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", 405, "Method Not Allowed";
    /// The request took too long to arrive.
    RequestTimeout = "REQUEST_TIMEOUT", 408, "Request Timeout";
    /// A request with this `Idempotency-Key` is still running.
    IdempotencyInProgress = "IDEMPOTENCY_IN_PROGRESS", 409, "Still In Progress";
    /// Not enough available.
    InsufficientStock = "INSUFFICIENT_STOCK", 409, "Insufficient Stock";
    /// The product is not for sale.
    ProductInactive = "PRODUCT_INACTIVE", 409, "Product Inactive";
    /// The order id already has a reservation that was made by event.
    HoldOwnedByOrder = "HOLD_OWNED_BY_ORDER", 409, "Hold Owned By Order";
    /// The order id holds another quantity of this product.
    ReservationMismatch = "RESERVATION_MISMATCH", 409, "Reservation Mismatch";
    /// What this order id held of this product was already released.
    AlreadyReleased = "ALREADY_RELEASED", 409, "Already Released";
    /// The product has open holds.
    HoldsOpen = "HOLDS_OPEN", 409, "Holds Open";
    /// The adjustment would leave less than what is held.
    StockHeld = "STOCK_HELD", 409, "Stock Held";
    /// Another product has this SKU.
    DuplicateSku = "DUPLICATE_SKU", 409, "Duplicate SKU";
    /// An earlier dead letter of the same order and topic comes first; `details` names it.
    DeadLetterBehind = "DEAD_LETTER_BEHIND", 409, "Another Dead Letter Comes First";
    /// The version that the request was made for is not the current one.
    VersionConflict = "VERSION_CONFLICT", 412, "Version Conflict";
    /// The body is larger than allowed.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", 413, "Payload Too Large";
    /// The body is not `application/json`.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", 415, "Unsupported Media Type";
    /// `totalAmount` is not the sum of the lines.
    TotalMismatch = "TOTAL_MISMATCH", 422, "Total Mismatch";
    /// The order's status does not allow the change.
    InvalidTransition = "INVALID_TRANSITION", 422, "Invalid Transition";
    /// The change needs stock that is held for the order.
    StockNotReserved = "STOCK_NOT_RESERVED", 422, "Stock Not Reserved";
    /// A shipped or delivered order cannot be deleted.
    OrderNotDeletable = "ORDER_NOT_DELETABLE", 422, "Order Not Deletable";
    /// The `Idempotency-Key` was used with another body.
    IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED", 422, "Idempotency Key Reused";
    /// Stock changes by adjustment, not by editing the product.
    StockNotEditable = "STOCK_NOT_EDITABLE", 422, "Stock Not Editable";
    /// The message still cannot be processed; `details` says why.
    StillPoison = "STILL_POISON", 422, "Still Cannot Be Processed";
    /// The customer has as many orders that hold stock, or wait for it, as may be.
    TooManyOpenOrders = "TOO_MANY_OPEN_ORDERS", 422, "Too Many Open Orders";
    /// This caller asks too often.
    RateLimited = "RATE_LIMITED", 429, "Too Many Requests";
    /// A defect of ours.
    Internal = "INTERNAL", 500, "Internal Error";
    /// Something that the service needs is away, or it is shutting down.
    Unavailable = "SERVICE_UNAVAILABLE", 503, "Service Unavailable";
    /// More is queued than can be done in time.
    Overloaded = "OVERLOADED", 503, "Overloaded";
}

impl ErrorCode {
    /// Whether the same request may succeed later without being changed.
    pub fn retryable(self) -> bool {
        matches!(
            self,
            Self::IdempotencyInProgress
                | Self::RequestTimeout
                | Self::RateLimited
                | Self::Internal
                | Self::Unavailable
                | Self::Overloaded
        )
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
