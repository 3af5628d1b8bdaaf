// The API's shapes as the web app reads them; /v1/openapi.json is the whole truth.

interface Money { amountMinor: number; currency: string }

interface EventSummary {
  eventId: string; title: string; category: string; city: string; venueName: string | null;
  firstShowAt: string | null; lastShowAt: string | null; fromPrice: Money | null;
}
interface EventDetail extends EventSummary { description?: string; artists: string[]; createdAt: string }

interface Show {
  showId: string; eventId: string; venueId: string; startsAt: string; timeZone: string; onSaleAt: string;
  status: "ON_SALE" | "PAUSED" | "CLOSED" | "CANCELLED"; prices: { category: string; price: Money }[];
  maxSeatsPerBuyer: number; holdTtlSeconds: number; waitingRoom: { enabled: boolean; opensAt?: string | null };
  refundPolicy: { hoursBefore: number; percent: number }[]; planVersion: number; version: number;
}

type Point = [number, number];
interface PlanSection { sectionId: string; name: string; seatCount: number; categories: string[]; outline: Point[] }
interface Decoration { shape: "rectangle" | "ellipse"; x: number; y: number; width: number; height: number; rotation?: number; text?: string; areaId?: string }
interface Plan {
  planId: string; version: number; name: string; categories: { categoryId: string; name: string; color: string }[];
  sections: PlanSection[]; areas: { areaId: string; name: string; capacity: number; category: string }[]; decorations: Decoration[];
}
interface PlanSeat { seatId: string; seat: string; label?: string; x: number; y: number; category: string; accessible?: boolean; companion?: boolean; obstructedView?: boolean }
interface SectionPlan { sectionId: string; name: string; rows: { row: string; label?: string; seats: PlanSeat[] }[] }

interface SectionCounts { sectionId: string; total: number; available: number; held: number; sold: number; blocked: number; version: number }
interface Availability { showId: string; asOf: string; sections: SectionCounts[]; areas: { areaId: string; remaining: number }[] }

interface BookedSeat { seatId: string; section: string; row: string; seat: string; category: string; price: Money }
interface Booking {
  bookingId: string; showId: string; status: "PENDING" | "CONFIRMED" | "CANCELLED"; reason?: string; seats: BookedSeat[];
  areas: { areaId: string; quantity: number; price: Money }[]; total: Money; createdAt: string; expiresAt: string; serverTime: string; version: number;
  refund?: { amount: Money; percent: number; status: string }; substituted?: boolean; asked?: number;
  payment?: { provider: string; intentId: string; clientSecret?: string; status: string; attempts: number };
}
interface Ticket { seatId?: string; areaId?: string; code: string; svg: string }
