//! What the sample shop sells: invented brands, believable things.

use super::Sample;

macro_rules! catalogue {
    ($($category:literal { $($number:literal $sku:literal $name:literal by $brand:literal, $minor:literal, stock $stock:literal,
        rated $tenths:literal from $reviews:literal, [$($tag:literal),*], $description:literal;)* })*) => {
        /// Every sample product. Numbers become ids, and documents quote them: never renumber, only add.
        pub(super) const CATALOGUE: &[Sample] = &[$($(Sample {
            number: $number, sku: $sku, name: $name, brand: $brand, category: $category, minor: $minor, stock: $stock,
            rating_tenths: $tenths, reviews: $reviews, tags: &[$($tag),*], description: $description,
        },)*)*];
    };
}

catalogue! {
    "Samples" {
        1 "TEST-001" "Test Product" by "Holdfast", 2999, stock 50, rated 45 from 128, ["test", "quick-start"],
            "The product of the quick start: order two, and 48 are left.";
    }
    "Electronics" {
        2 "ELE-HDP-01" "Aurora Wireless Headphones" by "Soundleaf", 12900, stock 120, rated 46 from 842, ["audio", "bluetooth", "noise-cancelling"],
            "Over-ear headphones with active noise cancelling and 38 hours of battery.";
        3 "ELE-EAR-02" "Pebble True Wireless Earbuds" by "Soundleaf", 5999, stock 210, rated 43 from 1204, ["audio", "bluetooth"],
            "Small earbuds with a pocket-sized charging case; rain and sweat do them no harm.";
        4 "ELE-SPK-03" "Canyon Portable Speaker" by "Soundleaf", 7950, stock 64, rated 44 from 391, ["audio", "outdoor"],
            "A speaker the size of a mug that fills a garden. Floats.";
        5 "ELE-KBD-04" "Tactile 75 Mechanical Keyboard" by "Keywright", 14900, stock 38, rated 48 from 267, ["desk", "keyboard"],
            "Hot-swappable switches, an aluminium plate and keycaps that do not shine after a year.";
        6 "ELE-MSE-05" "Glide Ergonomic Mouse" by "Keywright", 6450, stock 85, rated 42 from 512, ["desk", "mouse"],
            "A vertical mouse that leaves the wrist where it wants to be.";
        7 "ELE-CHG-06" "Trio 65 W USB-C Charger" by "Voltaire", 3990, stock 340, rated 47 from 1893, ["charger", "travel"],
            "Charges a laptop and two phones from one socket.";
        8 "ELE-PWR-07" "Reserve 20,000 mAh Power Bank" by "Voltaire", 4990, stock 6, rated 45 from 733, ["charger", "travel", "outdoor"],
            "Four full phone charges, and a display that says how many are left.";
        9 "ELE-CAM-08" "Lookout 2K Webcam" by "Fieldglass", 8900, stock 0, rated 40 from 158, ["desk", "video"],
            "A sharp webcam with a shutter that you can see is closed.";
    }
    "Home & Kitchen" {
        10 "HOM-KTL-01" "Gooseneck Electric Kettle" by "Morning Ritual", 6900, stock 73, rated 47 from 604, ["coffee", "kitchen"],
            "Holds the temperature to the degree, pours to the drop.";
        11 "HOM-GRN-02" "Burr Coffee Grinder" by "Morning Ritual", 9450, stock 41, rated 46 from 318, ["coffee", "kitchen"],
            "Forty steps from Turkish to cold brew, and quiet enough for six in the morning.";
        12 "HOM-PAN-03" "Carbon Steel Frying Pan 28 cm" by "Hearth & Iron", 5490, stock 96, rated 45 from 447, ["kitchen", "cookware"],
            "Lighter than cast iron, sears as well, lasts as long.";
        13 "HOM-KNF-04" "Santoku Kitchen Knife" by "Hearth & Iron", 7900, stock 52, rated 48 from 289, ["kitchen", "knife"],
            "An 18 cm blade of layered steel with a walnut handle.";
        14 "HOM-BRD-05" "End-Grain Cutting Board" by "Hearth & Iron", 4450, stock 3, rated 46 from 174, ["kitchen", "wood"],
            "Oak, kind to knives, heavy enough to stay where it is.";
        15 "HOM-JAR-06" "Glass Storage Jars, Set of 6" by "Larder", 3290, stock 150, rated 44 from 520, ["kitchen", "storage"],
            "Airtight jars that stack, with lids of beech.";
        16 "HOM-LMP-07" "Halo Bedside Lamp" by "Lumen House", 3850, stock 88, rated 43 from 233, ["lighting", "bedroom"],
            "Warm light that dims to a glow; the cord is linen.";
        17 "HOM-BLK-08" "Merino Throw Blanket" by "Weft", 8990, stock 27, rated 49 from 96, ["bedroom", "wool"],
            "130 by 180 cm of undyed wool from one farm.";
    }
    "Books" {
        18 "BOK-SQL-01" "The Patient Database" by "Quire Press", 3900, stock 200, rated 48 from 411, ["software", "databases"],
            "Storage engines explained from the disk up, with exercises.";
        19 "BOK-DST-02" "Messages Arrive Twice" by "Quire Press", 4200, stock 175, rated 49 from 538, ["software", "distributed-systems"],
            "A field guide to systems that agree in the end.";
        20 "BOK-NOV-03" "The Lighthouse Inventory" by "Saltmarsh Books", 1690, stock 320, rated 42 from 1027, ["fiction"],
            "A keeper counts what the sea brings. One morning the count is wrong.";
        21 "BOK-CKB-04" "Forty Weeknight Suppers" by "Saltmarsh Books", 2450, stock 140, rated 45 from 366, ["cooking"],
            "Dinners with one pan, nine ingredients and half an hour.";
        22 "BOK-KID-05" "Otto Packs a Box" by "Little Quire", 1290, stock 260, rated 47 from 712, ["children"],
            "A picture book about a badger who works in a warehouse. Ages 3 to 6.";
        23 "BOK-ATL-06" "Atlas of Small Islands" by "Saltmarsh Books", 5490, stock 0, rated 46 from 205, ["travel", "maps"],
            "Eighty islands drawn by hand, with the ferry times.";
    }
    "Clothing" {
        24 "CLO-TEE-01" "Heavyweight Cotton T-Shirt" by "Plainfolk", 2490, stock 480, rated 44 from 1560, ["cotton", "basics"],
            "240 g cotton, cut straight; does not twist in the wash.";
        25 "CLO-HOD-02" "Loopback Hoodie" by "Plainfolk", 6490, stock 190, rated 46 from 880, ["cotton", "basics"],
            "Unbrushed inside, so it breathes. Pockets that hold a phone.";
        26 "CLO-SCK-03" "Hiking Socks, 3 Pairs" by "Northfell", 2190, stock 410, rated 47 from 1432, ["wool", "outdoor"],
            "Merino where it counts, nylon where it wears.";
        27 "CLO-JKT-04" "Drizzle Rain Jacket" by "Northfell", 11900, stock 58, rated 45 from 349, ["outdoor", "waterproof"],
            "Packs into its own pocket; taped seams, pit zips.";
        28 "CLO-BNE-05" "Ribbed Wool Beanie" by "Northfell", 1890, stock 230, rated 43 from 275, ["wool", "winter"],
            "One size, knitted in one piece, no seam at the forehead.";
        29 "CLO-JNS-06" "Straight Selvedge Jeans" by "Plainfolk", 9800, stock 4, rated 44 from 198, ["denim"],
            "14 oz denim that becomes yours after a month.";
    }
    "Sports & Outdoors" {
        30 "SPO-BTL-01" "Insulated Steel Bottle 750 ml" by "Northfell", 2750, stock 365, rated 48 from 2104, ["outdoor", "bottle"],
            "Cold for a day, hot for half of one.";
        31 "SPO-MAT-02" "Natural Rubber Yoga Mat" by "Stillwater", 6200, stock 77, rated 46 from 483, ["yoga", "fitness"],
            "Grips when wet, rolls out flat, smells of nothing after a week.";
        32 "SPO-TNT-03" "Ridge Two-Person Tent" by "Northfell", 24900, stock 18, rated 47 from 132, ["camping", "outdoor"],
            "1.6 kg, up in four minutes, dry in a gale.";
        33 "SPO-LMP-04" "Trail Head Torch" by "Northfell", 3450, stock 124, rated 45 from 567, ["camping", "lighting"],
            "400 lumens, a red mode, and a lock so that it does not shine in the bag.";
        34 "SPO-KTB-05" "Cast Kettlebell 16 kg" by "Stillwater", 5600, stock 33, rated 49 from 241, ["fitness"],
            "One casting, a handle wide enough for two hands.";
        35 "SPO-BIK-06" "Commuter Bike Light Set" by "Voltaire", 4290, stock 2, rated 44 from 309, ["cycling", "lighting"],
            "Front and rear, charged over USB-C, seen from a kilometre.";
    }
    "Toys & Games" {
        36 "TOY-BLK-01" "Wooden Building Blocks, 60 Pieces" by "Beech & Bear", 3490, stock 115, rated 48 from 621, ["children", "wood"],
            "Solid beech with rounded edges and paint that may be chewed.";
        37 "TOY-BRD-02" "Harbour: A Game of Cargo" by "Tabletop Works", 4490, stock 62, rated 47 from 354, ["board-game"],
            "Load ships, miss tides, trade with your neighbours. 2 to 5 players, an hour.";
        38 "TOY-CRD-03" "Quarrel Card Game" by "Tabletop Works", 1490, stock 290, rated 44 from 818, ["card-game"],
            "Two minutes to learn, one holiday to master.";
        39 "TOY-PZL-04" "Jigsaw Puzzle: Night Market, 1,000 Pieces" by "Tabletop Works", 2290, stock 84, rated 45 from 263, ["puzzle"],
            "Lanterns, noodles and one cat that is hard to find.";
        40 "TOY-KIT-05" "Paper Kite Kit" by "Beech & Bear", 1790, stock 0, rated 42 from 117, ["children", "outdoor"],
            "Spars, paper, line and a tail. Wind not included.";
    }
    "Beauty & Care" {
        41 "BEA-SOP-01" "Olive Oil Soap, 4 Bars" by "Saltmarsh Apothecary", 1650, stock 395, rated 46 from 944, ["soap", "vegan"],
            "Cold-processed and cured for six weeks. Unscented.";
        42 "BEA-CRM-02" "Daily Hand Cream 75 ml" by "Saltmarsh Apothecary", 1290, stock 275, rated 45 from 688, ["skin", "vegan"],
            "Sinks in before you reach for the door handle.";
        43 "BEA-SUN-03" "Mineral Sunscreen SPF 50" by "Saltmarsh Apothecary", 2190, stock 160, rated 43 from 402, ["skin", "outdoor"],
            "Zinc, no perfume, and it does not leave you white.";
        44 "BEA-RZR-04" "Safety Razor" by "Plainfolk", 3800, stock 47, rated 47 from 336, ["shaving", "plastic-free"],
            "Brass, chromed, with five blades to begin with.";
    }
    "Office & Stationery" {
        45 "OFF-NTB-01" "Dotted Notebook A5" by "Quire Paper", 1450, stock 500, rated 48 from 1877, ["paper"],
            "192 numbered pages that take a fountain pen; lies flat.";
        46 "OFF-PEN-02" "Gel Pens, Set of 5" by "Quire Paper", 990, stock 450, rated 45 from 1344, ["pen"],
            "Dries in a second, so left-handers may relax.";
        47 "OFF-STD-03" "Oak Laptop Stand" by "Hearth & Iron", 5900, stock 36, rated 46 from 221, ["desk", "wood"],
            "Lifts the screen by 15 cm and the mood by some.";
        48 "OFF-TPE-04" "Packing Tape, 6 Rolls" by "Otto & Sons", 1590, stock 300, rated 43 from 455, ["packing"],
            "Quiet tape. Your colleagues will thank you.";
    }
}
