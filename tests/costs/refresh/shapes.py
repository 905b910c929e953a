"""Answers in the shapes that the providers document, made here: small, and with the usual traps."""

from __future__ import annotations

import csv
import io
from typing import Any

EC2_HEAD = [
    *("SKU", "OfferTermCode", "RateCode", "TermType", "PriceDescription", "EffectiveDate"),
    *("StartingRange", "EndingRange", "Unit", "PricePerUnit", "Currency", "Product Family"),
    *("serviceCode", "Instance Type", "Tenancy", "Operating System", "CapacityStatus"),
    *("Pre Installed S/W", "usageType", "operation"),
]
_LINUX = {
    "TermType": "OnDemand",
    "Unit": "Hrs",
    "Currency": "USD",
    "Product Family": "Compute Instance",
    "Operating System": "Linux",
    "Tenancy": "Shared",
    "CapacityStatus": "Used",
    "Pre Installed S/W": "NA",
}


def ec2_csv(*rows: dict[str, str], published: str = "2026-11-20T18:12:33Z") -> str:
    """The CSV of AmazonEC2: five lines about it, a head, and rows of Linux where not said else."""
    file = io.StringIO()
    into = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
    into.writerow(["FormatVersion", "v1.0"])
    into.writerow(["Disclaimer", "This pricing list is for informational purposes only."])
    into.writerow(["Publication Date", published])
    into.writerow(["Version", "20261120181233"])
    into.writerow(["OfferCode", "AmazonEC2"])
    into.writerow(EC2_HEAD)
    for row in rows:
        into.writerow([(_LINUX | row).get(name, "") for name in EC2_HEAD])
    return file.getvalue()


def ec2_row(name: str, usd: float, **more: str) -> dict[str, str]:
    """A price of a machine."""
    return {"Instance Type": name, "PricePerUnit": f"{usd:.10f}", **more}


def sagemaker_json(*rated: tuple[str, str, float]) -> dict[str, Any]:
    """The JSON of AmazonSageMaker: usage type, unit and price of each product."""
    products: dict[str, Any] = {}
    terms: dict[str, Any] = {}
    for number, (usage, unit, usd) in enumerate(rated):
        sku = f"SKU{number:04}"
        products[sku] = {
            "sku": sku,
            "productFamily": "ML Instance",
            "attributes": {"servicecode": "AmazonSageMaker", "usagetype": usage},
        }
        rate = {
            "rateCode": f"{sku}.JRTCKXETXF.6YS6EN2CT7",
            "unit": unit,
            "beginRange": "0",
            "endRange": "Inf",
            "pricePerUnit": {"USD": f"{usd:.10f}"},
        }
        code = f"{sku}.JRTCKXETXF"
        terms[sku] = {code: {"sku": sku, "priceDimensions": {rate["rateCode"]: rate}}}
    return {
        "formatVersion": "v1.0",
        "offerCode": "AmazonSageMaker",
        "publicationDate": "2026-11-21T01:02:03Z",
        "products": products,
        "terms": {"OnDemand": terms},
    }


def azure_item(name: str, usd: float, **more: Any) -> dict[str, Any]:
    """A row of Azure Retail Prices, of Linux on demand in eastus where not said else."""
    bare = name.removeprefix("Standard_").replace("_", " ")
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": usd,
        "unitPrice": usd,
        "armRegionName": "eastus",
        "location": "US East",
        "effectiveStartDate": "2021-11-01T00:00:00Z",
        "meterName": bare,
        "productName": "Virtual Machines Series",
        "skuName": bare,
        "serviceName": "Virtual Machines",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": name,
        **more,
    }


def azure_page(*items: dict[str, Any], following: str | None = None) -> dict[str, Any]:
    """A page of them."""
    return {
        "BillingCurrency": "USD",
        "CustomerEntityId": "Default",
        "CustomerEntityType": "Retail",
        "Items": [*items],
        "NextPageLink": following,
        "Count": len(items),
    }


def gcp_sku(
    description: str, usd: float, *, unit: str = "h", region: str = "us-central1"
) -> dict[str, Any]:
    """A SKU of the Cloud Billing Catalog; its price in units and nanos, as text and as a number."""
    whole = int(usd)
    return {
        "name": "services/6F81-5844-456A/skus/0000-0000-0000",
        "skuId": "0000-0000-0000",
        "description": description,
        "category": {"serviceDisplayName": "Compute Engine", "usageType": "OnDemand"},
        "serviceRegions": [region, "us-west1"],
        "pricingInfo": [
            {
                "effectiveTime": "2026-11-20T01:02:03Z",
                "pricingExpression": {
                    "usageUnit": unit,
                    "displayQuantity": 1,
                    "tieredRates": [
                        {
                            "startUsageAmount": 0,
                            "unitPrice": {
                                "currencyCode": "USD",
                                "units": str(whole),
                                "nanos": round((usd - whole) * 1e9),
                            },
                        }
                    ],
                },
            }
        ],
        "serviceProviderName": "Google",
    }


GCP_PARTS = [
    gcp_sku("N2 Instance Core running in Americas", 0.031611),
    gcp_sku("N2 Instance Ram running in Americas", 0.004237, unit="GiBy.h"),
    gcp_sku("Spot Preemptible N2 Instance Core running in Americas", 0.015),
    gcp_sku("Spot Preemptible N2 Instance Ram running in Americas", 0.002, unit="GiBy.h"),
    gcp_sku("N2 Custom Instance Core running in Americas", 0.033174),
    gcp_sku("N2 Instance Core running in Frankfurt", 0.04, region="europe-west3"),
    gcp_sku("Commitment v1: N2 Instance Core in Americas", 0.02),
    gcp_sku("E2 Instance Core running in Americas", 0.021811),
    gcp_sku("E2 Instance Ram running in Americas", 0.002923, unit="GiBy.h"),
    gcp_sku("G2 Instance Core running in Americas", 0.024988),
    gcp_sku("G2 Instance Ram running in Americas", 0.002927, unit="GiBy.h"),
    gcp_sku("Nvidia L4 GPU running in Americas", 0.56004),
    gcp_sku("A3 Instance Core running in Americas", 0.03),
]
