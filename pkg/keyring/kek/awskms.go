package kek

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/tink-crypto/tink-go-awskms/v3/integration/awskms"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// An awsKey is the provider of a key in AWS KMS. The SDK finds credentials as usual: in the
// environment, in shared files, from a web identity token, or from the metadata of the machine.
// Associated data is the encryption context.
type awsKey struct{ arn, region, endpoint string }

var (
	awsARN = regexp.MustCompile(
		`^arn:aws[a-z-]{0,20}:kms:([a-z0-9-]{1,32}):[0-9]{12}:(?:key/[A-Za-z0-9-]{1,64}|alias/[A-Za-z0-9/_-]{1,250})$`)
	awsRegion = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
)

func parseAWS(rest string) (provider, error) {
	name, query, _ := strings.Cut(rest, "?")
	arn, ok := strings.CutPrefix(name, "//")
	found := awsARN.FindStringSubmatch(arn)
	if !ok || found == nil {
		return nil, errors.New("must be //arn:aws:kms:REGION:ACCOUNT:key/ID, with the ARN of a key or an alias")
	}
	values, err := parameters(query, "region", "endpoint")
	if err != nil {
		return nil, err
	}
	key := awsKey{arn: arn, region: found[1], endpoint: values["endpoint"]}
	if region, ok := values["region"]; ok {
		key.region = region
	}
	if !awsRegion.MatchString(key.region) {
		return nil, errors.New("parameter region must be the name of a region, such as eu-central-1")
	}
	if key.endpoint != "" {
		if err := checkEndpoint(key.endpoint); err != nil {
			return nil, err
		}
	}
	return key, nil
}

func (k awsKey) open(ctx context.Context) (tink.AEADWithContext, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(k.region))
	if err != nil {
		return nil, err
	}
	client := kms.NewFromConfig(cfg, func(o *kms.Options) {
		if k.endpoint != "" {
			o.BaseEndpoint = aws.String(k.endpoint)
		}
	})
	return awskms.NewAEADWithContext(ctx, k.arn, awskms.WithKMS(client))
}

func (awsKey) checkFiles() error { return nil }

// temporary follows the SDK's own rules for what to try again. They count all failed connections,
// even those to a server whose certificate is not trusted.
func (awsKey) temporary(err error) bool {
	if untrusted(err) {
		return false
	}
	if unreachable(err) || retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary {
		return true
	}
	var response interface{ HTTPStatusCode() int }
	return errors.As(err, &response) && temporaryStatus(response.HTTPStatusCode())
}
